"""Sessions: the only truth about who is signed in.

Every request reads the row, so whatever ends a session acts on the very next request, on every worker, also
after a restart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, Update, bindparam, func, select, update
from sqlalchemy.orm import aliased

from app.core import clock, origin
from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import NotFound
from app.core.ids import uuid7
from app.core.network import client_network
from app.core.paging import Page, PageRequest
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import identity, mfa_tokens
from app.features.auth.models import Session
from app.infra import db
from app.infra.listing import Listing
from app.infra.query import Query

_TRUST_DAYS = 30

_lifetime = timedelta(days=30)

_COLUMNS = Session.__table__.c
_LIST = Listing(
    select(*_COLUMNS).where(_COLUMNS.revoked_at.is_(None)),
    orders={"id": (_COLUMNS.id,)},
    filters={
        "user_id": _COLUMNS.user_id == bindparam("user_id"),
        "now": _COLUMNS.expires_at > bindparam("now", type_=_COLUMNS.expires_at.type),
    },
)

_USED_FROM = Query(
    select(Session.ip)
    .distinct()
    .where(
        Session.user_id == bindparam("user_id"),
        Session.created_at > bindparam("since"),
        Session.impersonator_id.is_(None),
    )
    .limit(100)
)


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as its owner sees it."""

    id: UUID
    current: bool
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    methods: list[str]


def connect(settings: Settings) -> None:
    """Learn how long a session lives."""
    global _lifetime  # noqa: PLW0603 -- set once during assembly
    _lifetime = timedelta(seconds=settings.refresh_token_seconds)


def start(*, user_id: int, methods: list[str]) -> Session:
    """Begin a session, always with a new id (no fixation)."""
    source = origin.current()
    session = _begin(user_id, methods, _lifetime, ip=source.ip, user_agent=source.user_agent)
    audit.record(
        "authn_login_success",
        target=("session", session.id),
        actor=Caller(user_id=user_id),
        detail={"methods": methods},
    )
    return session


def impersonate(*, user_id: int, methods: list[str], lifetime: timedelta, by: Caller) -> Session:
    """Begin a session in which the caller acts as a user, who sees it in their list but not from where it comes."""
    return _begin(user_id, methods, lifetime, impersonator_id=by.user_id)


def list_sessions(*, caller: Caller, page: PageRequest) -> Page[SessionView]:
    """Return the caller's live sessions, newest first."""
    found = _LIST.page(page, sort="-id", given={"user_id": caller.user_id, "now": clock.now()})
    return found.with_items([_view(row, caller) for row in found.items])


def revoke_one(session_id: UUID, *, caller: Caller) -> None:
    """End one of the caller's own sessions; another's is not found."""
    ended = _end(update(Session).where(Session.id == session_id, Session.user_id == caller.user_id), "revoked")
    if not ended:
        raise NotFound
    audit.record("authn_token_revoked", target=("session", session_id))
    _end_impersonations_from(session_id)


def revoke_all(*, user_id: int, reason: str, keep: UUID | None = None, by: Caller | None = None) -> int:
    """End all sessions of a user, or all but one; return how many. ``by`` is the caller unless said otherwise.

    Sign-ins that wait for their second factor end as well: they would become such sessions.
    """
    mfa_tokens.void(user_id)
    statement = update(Session).where(Session.user_id == user_id)
    ended = _end(statement if keep is None else statement.where(Session.id != keep), reason)
    if ended:
        detail = {"sessions": ended, "reason": reason}
        audit.record("authn_token_revoked", target=("user", user_id), actor=by, detail=detail)
    _end_impersonations_by(user_id)
    return ended


def revoke_others(*, caller: Caller) -> None:
    """End all the caller's sessions but the present one."""
    revoke_all(user_id=identity.profile_of(caller).id, reason="revoked", keep=caller.session_id)


def revoke_sessions_of(user_id: int, *, by: Caller) -> None:
    """End all sessions of somebody whom the caller does not rank below; raise NotFound if there is no such user."""
    accounts.get_user(user_id, by=by)
    access.refuse_to_overrule(user_id, by=by)
    revoke_all(user_id=user_id, reason="revoked_by_admin")


def end(session_id: UUID, *, reason: str) -> bool:
    """End a session if it is live, and what its user does as others; return whether it was."""
    if not _end(update(Session).where(Session.id == session_id), reason):
        return False
    _end_impersonations_from(session_id)
    return True


def lock_live(session_id: UUID | None) -> bool:
    """Lock a session until the transaction ends; tell whether it is live: it stays so meanwhile."""
    live = (Session.revoked_at.is_(None), Session.expires_at > clock.now())
    locked = select(Session.id).where(Session.id == session_id, *live).with_for_update(key_share=True)
    return db.session().scalar(locked) is not None


def strengthen(session_id: UUID, *, methods: Iterable[str]) -> None:
    """Note on a live session what else its user has proven in it."""
    session = db.session().get(Session, session_id, with_for_update=True)
    if session is not None:
        session.methods = list(dict.fromkeys([*session.methods, *methods]))
        db.session().flush()


def step_up(session_id: UUID) -> bool:
    """Note on a session that its user proved once more who they are; tell whether it is still live."""
    live = update(Session).where(
        Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > clock.now()
    )
    noted = live.values(reauthenticated_at=clock.now()).returning(Session.id)
    return db.session().scalar(noted.execution_options(synchronize_session=False)) is not None


def owner(session_id: UUID) -> Caller | None:
    """Return whose live session this is."""
    user_id = db.session().scalar(
        select(Session.user_id).where(
            Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > clock.now()
        )
    )
    return None if user_id is None else Caller(user_id=user_id, session_id=session_id)


def is_live(session_id: UUID) -> bool:
    """Tell whether a session is neither ended nor expired."""
    return owner(session_id) is not None


def count_active(since: datetime) -> int:
    """Return how many users were here since then."""
    counted = select(func.count(Session.user_id.distinct())).where(Session.last_used_at >= since)
    return db.session().scalar(counted) or 0


def used_lately_from_here(user_id: int | None) -> bool:
    """Tell whether the present client signed in to this account in the last 30 days. Asks the same for nobody."""
    since = clock.now() - timedelta(days=_TRUST_DAYS)
    used_from = {client_network(row.ip) for row in _USED_FROM.rows(user_id=user_id or 0, since=since)}
    return client_network(origin.current().ip) in used_from


def _begin(user_id: int, methods: list[str], lifetime: timedelta, **more: Any) -> Session:  # noqa: ANN401 -- columns
    now = clock.now()
    session = Session(
        id=uuid7(),
        user_id=user_id,
        gen=0,
        rotated_at=now,
        auth_time=now,
        methods=methods,
        created_at=now,
        last_used_at=now,
        expires_at=now + lifetime,
        **more,
    )
    db.session().add(session)
    db.session().flush()
    return session


def _end_impersonations_from(session_id: UUID) -> None:
    """End whatever the user of a session does as others: from which session they began it is not kept."""
    left = aliased(Session)
    own = select(left.user_id).where(left.id == session_id, left.impersonator_id.is_(None))
    _end_impersonations_by(own.scalar_subquery())


def _end_impersonations_by(user_id: int | ScalarSelect[int]) -> None:
    """End what somebody does as others. A statement of its own: it sees what began while the one before it waited."""
    _end(update(Session).where(Session.impersonator_id == user_id), "impersonator_left")


def _end(statement: Update, reason: str) -> int:
    live = statement.where(Session.revoked_at.is_(None), Session.expires_at > clock.now())
    ended = live.values(revoked_at=clock.now(), revoke_reason=reason).returning(Session.id)
    return len(db.session().scalars(ended.execution_options(synchronize_session=False)).all())


def _view(row: Any, caller: Caller) -> SessionView:  # noqa: ANN401 -- a row of sessions
    return SessionView(
        id=row.id,
        current=row.id == caller.session_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        ip=row.ip,
        user_agent=row.user_agent,
        methods=row.methods,
    )
