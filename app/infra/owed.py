"""What a process owes the database since that was away: paid as soon as it answers, in the order in which it came."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from app.core.errors import Unavailable

_MOST = 1000
"""Beyond, the oldest are let go: each of them also ends by itself in time."""

T = TypeVar("T")


class Owed(Generic[T]):
    """Debts of one kind, and how one of them is paid."""

    def __init__(self, pay: Callable[[T], object]) -> None:
        self._pay = pay
        self._debts: deque[T] = deque(maxlen=_MOST)

    def add(self, debt: T) -> None:
        """Owe one more."""
        self._debts.append(debt)

    def clear(self) -> None:
        """Owe nothing: the process begins anew."""
        self._debts.clear()

    def pay(self) -> None:
        """Pay them; what cannot be paid now is tried again with the next look."""
        with suppress(Unavailable, IndexError):
            while True:
                self._pay(self._debts[0])
                self._debts.popleft()
