"""Several callers at the very same moment, on real threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")

_SECONDS = 30.0


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """Call from so many threads, none before all are there; return what each got."""
    gate = Barrier(count)

    def run(number: int) -> T:
        gate.wait(_SECONDS)
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count), timeout=_SECONDS))
