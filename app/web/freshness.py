"""Which reads may come from a replica that lags a little: those of callers who did not just change something.

Who is calling, and what they may, is always read from the database itself. Floor 4 remembers who wrote; it is plugged
in during assembly.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from app.core.caller import Caller
from app.infra import replica


class Writers(Protocol):
    """Remembers who wrote lately, for all processes."""

    def note(self, user_id: int) -> None:
        """Remember it with the present transaction."""

    def wrote_lately(self, *user_ids: int) -> bool:
        """Tell whether a replica may not show yet what one of them wrote."""


_writers: Writers | None = None


def plug(writers: Writers) -> None:
    """Set who remembers."""
    global _writers  # noqa: PLW0603 -- set once during assembly
    _writers = writers


def reading(caller: Caller) -> AbstractContextManager[None]:
    """Let the reads of a safe request lag if this caller cannot notice. Nobody knows what the anonymous wrote."""
    writers, behind = _writers, _people_behind(caller)
    if writers is None or not behind or not replica.is_fresh():
        return nullcontext()
    return replica.may_lag(lambda: not writers.wrote_lately(*behind))


def note(caller: Caller) -> None:
    """Remember that this caller writes in the present transaction."""
    if _writers is not None:
        for user_id in _people_behind(caller):
            _writers.note(user_id)


def _people_behind(caller: Caller) -> list[int]:
    """Return who sees what this caller wrote as their own: themselves, and who acts as them."""
    return [user_id for user_id in (caller.user_id, caller.impersonator_id) if user_id is not None]
