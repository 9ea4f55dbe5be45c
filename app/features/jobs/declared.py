"""What jobs there are, and how each is tried."""

import inspect
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_JITTER = 0.25


class Hopeless(Exception):
    """Raised by a job that no further attempt can help: it is dead at once."""


class UnknownTask(Hopeless):
    """No job of this name is declared in this release, and none that knows it came in a long time."""


class UnknownArguments(Exception):
    """These are not the arguments of this release. Another one may have written them, and know them."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A job: what it does, how often it is tried, how long between two attempts, and how long one may take."""

    name: str
    run: Callable[..., object]
    attempts: int = 8
    first_wait: timedelta = timedelta(seconds=10)
    longest_wait: timedelta = timedelta(hours=1)
    limit: timedelta = timedelta(minutes=1)

    def wait_after(self, attempts: int) -> timedelta:
        """Return how long to wait after so many attempts: doubling, and each time a bit different."""
        wait: timedelta = min(self.first_wait * 2 ** (attempts - 1), self.longest_wait)
        return wait * (1 + _JITTER * secrets.randbelow(1000) / 1000)

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raise TypeError unless these are its arguments."""
        inspect.signature(self.run).bind(**arguments)


_declared: dict[str, Declared] = {}


def job(
    name: str,
    *,
    attempts: int = 8,
    first_wait: timedelta = timedelta(seconds=10),
    longest_wait: timedelta = timedelta(hours=1),
    limit: timedelta = timedelta(minutes=1),
) -> Callable[[Callable[..., object]], Declared]:
    """Make a job of a function. It runs in a unit of work that also says that it is done: both, or neither."""

    def decorate(function: Callable[..., object]) -> Declared:
        return Declared(name, function, attempts, first_wait, longest_wait, limit)

    return decorate


def register(jobs: Iterable[Declared]) -> None:
    """Learn the jobs; once, during assembly."""
    _declared.clear()
    _declared.update({job.name: job for job in jobs})


def is_known(name: str) -> bool:
    """Tell whether a job of this name is declared."""
    return name in _declared


def names() -> tuple[str, ...]:
    """Return the names of all jobs."""
    return tuple(_declared)


def find(name: str) -> Declared:
    """Return the job of this name; for one that is unknown, a job that fails."""
    return _declared.get(name) or Declared(name, _unknown)


def _unknown(**_arguments: object) -> None:
    raise UnknownTask
