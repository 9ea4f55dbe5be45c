"""Idempotency-Key (IETF draft): a POST that is sent twice has one effect, and both get the same answer.

The answer is stored in the transaction of the effect, so there is never one without the other. Floor 4 stores; it is
plugged in during assembly. Answers that hold tokens are not kept: those views take no notice of a key.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flask import Response, request
from pydantic import BaseModel

from app.core import origin
from app.core.errors import Conflict, Invalid, Malformed
from app.core.network import client_network
from app.infra import db
from app.web import caller as callers
from app.web.declaration import Declaration

_KEY = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')
_KEPT_HEADERS = ("Content-Type", "ETag", "Location")


class InvalidIdempotencyKey(Malformed):
    """The key is empty, too long, or has signs that a header should not."""

    code = "INVALID_IDEMPOTENCY_KEY"
    message = "Idempotency-Key must be 1 to 255 printable ASCII characters."


class IdempotencyKeyReused(Invalid):
    """The same key came with another body: one of the two requests is a mistake."""

    code = "IDEMPOTENCY_KEY_REUSED"
    message = "This Idempotency-Key was used for another request. Use a new one."


class IdempotencyKeyInUse(Conflict):
    """The first request with this key is not done yet."""

    code = "IDEMPOTENCY_KEY_IN_USE"
    message = "A request with this Idempotency-Key is still running. Ask again in a moment."


FAILURES = (InvalidIdempotencyKey, IdempotencyKeyReused, IdempotencyKeyInUse)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes


class Store(Protocol):
    """Keeps answers for 24 hours."""

    def claim(self, key: str, request: str) -> Answer | None:
        """Return what was answered; None if this request must be carried out, which is then claimed.

        Raises IdempotencyKeyReused or IdempotencyKeyInUse.
        """

    def keep(self, key: str, answer: Answer) -> None:
        """Store the answer with the present transaction."""

    def release(self, key: str) -> None:
        """Let the key be used again: the request failed and left nothing."""


_store: Store | None = None


def plug(store: Store) -> None:
    """Set who keeps answers."""
    global _store  # noqa: PLW0603 -- set once during assembly
    _store = store


@dataclass(frozen=True, slots=True)
class Repeat:
    """A request that may have been sent before."""

    store: Store
    key: str
    request: str

    def answer(self, carry_out: Callable[[], Response]) -> Response:
        """Return the stored answer, or carry the request out in one unit of work that also stores its answer."""
        known = self.store.claim(self.key, self.request)
        if known is not None:
            replayed = Response(known.body, known.status, headers={"Idempotency-Replayed": "true"})
            del replayed.headers["Content-Type"]  # Flask's is that of a page
            replayed.headers.update(known.headers)
            return replayed
        try:
            with db.unit_of_work():
                response = carry_out()
                kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                self.store.keep(self.key, Answer(response.status_code, kept, response.get_data()))
                return response
        except BaseException:
            self.store.release(self.key)
            raise


def applies(declaration: Declaration, method: str) -> bool:
    """Tell whether a view takes notice of a key: every POST but those whose answers hold tokens."""
    return method == "POST" and not declaration.secret and not declaration.hidden


def find(declaration: Declaration, body: BaseModel | None) -> Repeat | None:
    """Return the repeat that this request asks for; keys of different callers, and of different paths, differ."""
    given = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    source = origin.current()
    if given is None or _store is None or not applies(declaration, source.method or ""):
        return None
    found = _KEY.fullmatch(given)
    if found is None:
        raise InvalidIdempotencyKey
    caller = callers.current()
    who = caller.counted_as if caller.user_id else f"address:{client_network(source.ip)}"
    sent = "" if body is None else body.model_dump_json()
    return Repeat(_store, f"{who} {found[1]}", f"{request.path} {request.query_string!r} {sent}")
