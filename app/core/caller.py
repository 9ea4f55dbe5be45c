"""Who is calling, as far as every floor needs to know."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from app.core.ids import UUID


@dataclass(frozen=True, slots=True)
class Caller:
    """One who makes a request, with what the database says of them at this moment."""

    user_id: int | None = None
    session_id: UUID | None = None
    username: str = ""
    roles: tuple[str, ...] = ()
    permissions: frozenset[str] = field(default_factory=frozenset)
    trusted: bool = False

    def holds(self, permissions: AbstractSet[str]) -> bool:
        """Tell whether the caller has all of these: nobody gives, takes or overrules what they lack."""
        return self.trusted or self.permissions >= permissions


ANONYMOUS = Caller()

OPERATOR = Caller(username="operator", trusted=True)
"""Whoever runs a command on the machine itself."""
