"""The door of idempotency: claim a key, keep its answer, release it."""

import base64
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Row, delete, select, update

from app.core import clock
from app.core.errors import Unavailable
from app.core.keyring import Keyring, Undecryptable
from app.features.idempotency.models import KeptAnswer
from app.infra import db
from app.infra.owed import Owed
from app.web.idempotency import Answer, IdempotencyKeyInUse, IdempotencyKeyReused

__all__ = ["KeptAnswers", "forget_old", "release_owed"]

_PURPOSE = "idempotency"
_KEPT = timedelta(hours=24)
_RUNNING = timedelta(minutes=1)
"""A request that is still unanswered after this died; its transaction with it, so it can be carried out anew."""


class KeptAnswers:
    """Keeps answers in the database, encrypted: they may hold personal data."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def claim(self, key: str, request: str) -> Answer | None:
        """Claim a key in a transaction of its own, or return what it was answered."""
        name, sent, now = self._name(key), self._name(request), clock.now()
        try:
            row = self._claimed(name, sent, now)
        except Unavailable:  # what was lost may be only the answer to COMMIT
            _owed.add((name, now, now))
            raise
        if row is None:
            return None
        if row.request != sent:
            raise IdempotencyKeyReused
        if row.answer is None:
            raise IdempotencyKeyInUse
        return self._open(row.answer)

    def _claimed(self, name: str, sent: str, now: datetime) -> Row[str, bytes | None] | None:
        """Return the request that holds the key, None if it is this one."""
        with db.apart() as session:
            forget_old()
            if self._take(name, sent, now):
                return None
            return session.execute(select(KeptAnswer.request, KeptAnswer.answer).where(KeptAnswer.key == name)).one()

    def keep(self, key: str, answer: Answer) -> None:
        """Store the answer with the effect; raise IdempotencyKeyInUse, and so undo the effect, if another did."""
        body = base64.b64encode(answer.body).decode()
        sealed = self._keyring.encrypt(_PURPOSE, orjson.dumps([answer.status, answer.headers, body]))
        mine = update(KeptAnswer).where(KeptAnswer.key == self._name(key), KeptAnswer.answer.is_(None))
        kept = mine.values(answer=sealed).returning(KeptAnswer.key).execution_options(synchronize_session=False)
        if db.session().execute(kept).first() is None:
            raise IdempotencyKeyInUse

    def release(self, key: str) -> None:
        """Forget a claim whose request failed; with a database that is away, as soon as it is back."""
        now = clock.now()
        claim = self._name(key), now - _RUNNING, now
        try:
            _forget(claim)
        except Unavailable:
            _owed.add(claim)

    def _take(self, name: str, sent: str, now: datetime) -> bool:
        abandoned = (
            KeptAnswer.answer.is_(None) & (KeptAnswer.claimed_at <= now - _RUNNING) & (KeptAnswer.request == sent)
        )
        statement = (
            db.upsert(KeptAnswer)
            .values(key=name, request=sent, claimed_at=now)
            .on_conflict_do_update(index_elements=["key"], set_={"claimed_at": now}, where=abandoned)
            .returning(KeptAnswer.key)
        )
        return db.session().execute(statement).first() is not None

    def _open(self, sealed: bytes) -> Answer:
        try:
            status, headers, body = orjson.loads(self._keyring.decrypt(_PURPOSE, sealed))
        except Undecryptable as error:
            raise IdempotencyKeyReused from error
        return Answer(status, headers, base64.b64decode(body))

    def _name(self, value: str) -> str:
        return self._keyring.fingerprint(_PURPOSE, value)


def release_owed() -> None:
    """Forget the claims that could not be forgotten in time, if that is possible now."""
    _owed.pay()


def _forget(claim: tuple[str, datetime, datetime]) -> None:
    """Forget a claim without an answer, made from then to then; one of another time is another request's."""
    name, since, until = claim
    mine = KeptAnswer.key == name, KeptAnswer.answer.is_(None), KeptAnswer.claimed_at.between(since, until)
    with db.apart() as session:
        session.execute(delete(KeptAnswer).where(*mine))


_owed = Owed(_forget)
"""Claims of this process that could not be given up when their requests failed."""


def forget_old() -> None:
    """Delete what was kept for a day."""
    db.session().execute(delete(KeptAnswer).where(KeptAnswer.claimed_at <= clock.now() - _KEPT))
