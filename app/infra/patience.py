"""How long work waits for a database: for a connection, for a new one, for answers, and in all."""

import logging
import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

import psycopg
from psycopg import conninfo, pq, waiting
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.infra.pulse import Pulse

CONNECT_SECONDS = 3

_LOOK_SECONDS = 0.1
_LEAST_TURN_SECONDS = 0.5
"""What remains to wait for a connection after a long wait in line."""

logging.getLogger(f"{__name__}.Pool").setLevel(logging.WARNING)  # SQLAlchemy's: a line for each connection lost

_budget: ContextVar["_Budget | None"] = ContextVar("budget", default=None)


class OutOfTime(psycopg.OperationalError):
    """The server did not answer in time. Asking it again would only take as long."""


class _Budget:
    """How long the present work may still wait: for a connection, and in all, however many statements it has."""

    __slots__ = ("left", "turn")

    def __init__(self, *, turn: float, left: float) -> None:
        self.turn = turn
        self.left = left

    def wait(self, seconds: float) -> None:
        """Take off what somebody waited for a connection."""
        self.turn = max(_LEAST_TURN_SECONDS, self.turn - seconds)
        self.left -= seconds


@contextmanager
def waiting_at_most(*, turn: float, seconds: float) -> Iterator[None]:
    """Let work wait so long for a connection, and in all: a database that is slow makes every statement late."""
    token = _budget.set(_Budget(turn=max(_LEAST_TURN_SECONDS, turn), left=seconds))
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def _spending() -> Iterator[float | None]:
    """Yield what is left to wait, and take off what was waited; raise OutOfTime if nothing is left."""
    budget = _budget.get()
    if budget is None:
        yield None
        return
    if budget.left <= 0:
        raise OutOfTime
    began = time.monotonic()
    try:
        yield budget.left
    finally:
        budget.left -= time.monotonic() - began


class Pool(QueuePool):
    """Lets the present work wait for a connection as long as it still may, all other work as long as the pool says."""

    _seconds = 0.0

    @property
    def _timeout(self) -> float:  # an attribute of QueuePool, which reads it each time
        budget = _budget.get()
        return self._seconds if budget is None else max(0.0, min(budget.turn, budget.left))

    @_timeout.setter
    def _timeout(self, seconds: float) -> None:
        self._seconds = seconds

    def _do_get(self) -> ConnectionPoolEntry:
        budget = _budget.get()
        if budget is None or self.checkedin() or self.overflow() < 0:
            return super()._do_get()
        began = time.monotonic()
        try:
            return super()._do_get()
        finally:
            budget.wait(time.monotonic() - began)


class Patient(psycopg.Connection[Any]):
    """Waits so long for an answer and no longer: a server that hangs does not end its statements itself.

    What a request may wait in all is limited as well: a server that is slow makes each of its statements late.

    Neither the system does: it goes on to acknowledge what arrives for a process that is stopped.
    """

    patience: float | None = None
    pulse: Pulse
    is_new = True
    """Whether nobody has had it from the pool yet."""

    @classmethod
    def made(cls, patience: float, pulse: Pulse, given: dict[str, Any]) -> Self:
        pulse.address = _address(given)
        if pulse.is_gone():
            raise OutOfTime
        began = time.monotonic()
        with _spending() as left:
            limit = CONNECT_SECONDS if left is None else min(CONNECT_SECONDS, math.ceil(left))
            try:
                made = cls.connect(**{**given, "connect_timeout": limit})
            except psycopg.errors.ConnectionTimeout:
                pulse.lose(since=began)
                raise
        pulse.heard()
        made.patience, made.pulse = patience, pulse
        return made

    def wait(self, gen: Any, interval: float = _LOOK_SECONDS, timeout: float | None = None) -> Any:  # noqa: ANN401 -- psycopg's
        if timeout is not None or self.patience is None:
            return super().wait(gen, interval, timeout)
        if self.pulse.is_gone():
            raise OutOfTime
        with _spending() as left:
            return self._wait(gen, interval, self.patience if left is None else min(self.patience, left))

    def _wait(self, gen: Any, interval: float, limit: float) -> Any:  # noqa: ANN401 -- as above
        ends = time.monotonic() + limit
        try:
            found = super().wait(self._attended(gen), interval, limit)
        except OutOfTime:
            self.pgconn.finish()
            raise
        except psycopg.OperationalError as error:
            if time.monotonic() >= ends:
                self.pgconn.finish()  # in the middle of an answer: of no use to anybody
                raise OutOfTime from error
            raise
        self.pulse.heard()
        return found

    def _attended(self, gen: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401 -- as above
        """Wait as ``gen`` does, and look up now and then: the server may be gone."""
        began = time.monotonic()
        try:
            wish = next(gen)
            while True:
                ready = yield wish
                if ready == waiting.READY_NONE:
                    self.pulse.doubt(since=began)
                    if self.pulse.is_gone():
                        raise OutOfTime
                wish = gen.send(ready)
        except StopIteration as end:
            return end.value


def _address(given: dict[str, Any]) -> bytes:
    """Return what libpq needs to find the server, without what SQLAlchemy adds; nothing for one of several servers."""
    if "," in str(given.get("host", "")):
        return b""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    return conninfo.make_conninfo(**{name: value for name, value in given.items() if name in known}).encode()


def wait_without_end(connection: object) -> None:
    """Let statements of a migration take as long as they need."""
    if isinstance(connection, Patient):
        connection.patience = None
