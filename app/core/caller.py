"""Who is calling, as far as every floor needs to know."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from app.core.ids import UUID


@dataclass(frozen=True, slots=True)
class Caller:
    """One who makes a request, with what the database says of them at this moment.

    With an API key there is a ``key_id`` and no session. ``impersonator_id`` is the administrator who acts as this
    user. ``reauthenticated`` is true for ten minutes after a step-up. ``lacks_second_factor``: their permissions are
    withheld until they sign in with one.
    """

    user_id: int | None = None
    session_id: UUID | None = None
    username: str = ""
    roles: tuple[str, ...] = ()
    permissions: frozenset[str] = field(default_factory=frozenset)
    trusted: bool = False
    key_id: UUID | None = None
    impersonator_id: int | None = None
    reauthenticated: bool = False
    lacks_second_factor: bool = False

    @property
    def counted_as(self) -> str:
        """Name whose requests these are: each key's, each user's, and each administrator's as somebody else."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        acting = "" if self.impersonator_id is None else f"user:{self.impersonator_id} as "
        return f"{acting}user:{self.user_id}"

    def holds(self, permissions: AbstractSet[str]) -> bool:
        """Tell whether the caller has all of these: nobody gives, takes or overrules what they lack."""
        return self.trusted or self.permissions >= permissions


ANONYMOUS = Caller()

OPERATOR = Caller(username="operator", trusted=True)
"""Whoever runs a command on the machine itself."""
