"""A cached function of the tests' own."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from uuid import uuid4

from app.infra.cache import Cached, cached

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sum:
    """What is computed here."""

    of: int
    parts: list[int]


class Adder:
    """A cached function that tells how often it computed, and may be told what to do meanwhile."""

    def __init__(self, name: str | None = None, version: int = 1) -> None:
        self.name = name or f"test-{uuid4()}"
        self.runs = Counter[int]()
        self.meanwhile: Callable[[], object] = lambda: None
        self.parts = [1]

        @cached(self.name, seconds=SECONDS, version=version)
        def add(number: int) -> Sum:
            self.runs[number] += 1
            parts = [*self.parts, number]
            self.meanwhile()
            return Sum(sum(parts), parts)

        self.add: Cached[[int], Sum] = add


def take(seconds: float) -> None:
    """Be busy for so long, as what is worth keeping is; whoever asks meanwhile meets it."""
    Event().wait(seconds)


class Slow:
    """Keeps who computes busy until it is let go."""

    def __init__(self, adder: Adder) -> None:
        self._begun, self._goes_on = Event(), Event()
        adder.meanwhile = self._wait
        self._thread = Thread(target=adder.add, args=(2,))
        self._thread.start()
        assert self._begun.wait(10)
        adder.meanwhile = lambda: None

    def end(self) -> None:
        self._goes_on.set()
        self._thread.join()

    def _wait(self) -> None:
        self._begun.set()
        assert self._goes_on.wait(10)
