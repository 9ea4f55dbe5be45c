"""The database (PostgreSQL | SQLite) and the one unit of work around every request, task and command.

Returning commits, raising rolls back; nobody else commits. A unit is lazy: work that needs no database opens no
connection. Connections are in autocommit mode and transactions begin explicitly, so that reads outside of one
(``Query``, and the units of safe requests) cost no BEGIN and hold nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Self

from sqlalchemy import Engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.core.config import Settings
from app.core.errors import Conflict, Unavailable
from app.infra import engines, patience, reporting, seldom
from app.infra.columns import Model

log = logging.getLogger(__name__)

Action = Callable[[], object]

_engine: Engine | None = None
_limits: Settings
_elsewhere: ContextVar[Engine | None] = ContextVar("elsewhere", default=None)
_unit: ContextVar["Unit | None"] = ContextVar("unit", default=None)


class Unit:
    """One piece of work that happens whole or not at all. A class: as a generator it would cost each request 4 µs."""

    __slots__ = ("_token", "after_commit", "after_rollback", "before_commit", "session", "writes")

    def __init__(self, *, writes: bool) -> None:
        self.writes = writes
        self.session: Session | None = None
        self.before_commit: list[Action] = []
        self.after_commit: list[Action] = []
        self.after_rollback: list[Action] = []

    def __enter__(self) -> Self:
        if _unit.get() is not None:
            message = "a unit of work is already open"
            raise RuntimeError(message)
        self._token = _unit.set(self)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            try:
                self._commit()
            except BaseException as failure:
                self._roll_back()
                _raise_named(failure)
                raise
            _run_each(self.after_commit)
            return
        self._roll_back()
        _raise_named(error)

    def _commit(self) -> None:
        for action in self.before_commit:
            action()
        if self.session is not None:
            self.session.commit()
            self.session.close()
        _unit.reset(self._token)

    def _roll_back(self) -> None:
        if self.session is not None:
            try:
                self.session.rollback()
            except DBAPIError:
                seldom.warn(log, "rollback on a lost connection")
            self.session.close()
        _unit.reset(self._token)
        _run_each(self.after_rollback, apart)


def connect(settings: Settings) -> None:
    """Make the engine. Opens no connection."""
    global _engine, _limits
    seldom.forget()
    if _engine is not None:
        _engine.dispose()
    _engine, _limits = engines.create(settings), settings


def engine() -> Engine:
    """Return the engine."""
    found = _elsewhere.get() or _engine
    if found is None:
        message = "db.connect(settings) was not called"
        raise RuntimeError(message)
    return found


@contextmanager
def elsewhere(other: Engine) -> Iterator[None]:
    """Work on another database inside, a restored one, while the rest of the process stays where it is."""
    unit, place = _unit.set(None), _elsewhere.set(other)
    try:
        yield
    finally:
        _elsewhere.reset(place)
        _unit.reset(unit)


def is_postgres() -> bool:
    """Tell which of the two databases is used."""
    return engine().dialect.name == "postgresql"


def in_time(*, waited: float) -> AbstractContextManager[None]:
    """Let a request wait for its turn and a connection as long as for one of them, and for answers as for one."""
    left = _limits.database_pool_seconds - waited
    return patience.waiting_at_most(turn=left, seconds=left + _limits.database_statement_seconds)


def unit_of_work(*, writes: bool = True) -> Unit:
    """Commit what is done inside, or roll it back if it raises.

    A unit that does not write runs in autocommit and refuses to flush: a safe request changes nothing, and what
    it must record all the same it records ``apart``.
    """
    return Unit(writes=writes)


@contextmanager
def apart(*, writes: bool = True) -> Iterator[Session]:
    """Open a short transaction of its own, which stays whatever becomes of the unit around it.

    Call it before the unit writes: SQLite has one writer at a time.
    """
    token = _unit.set(None)
    try:
        with unit_of_work(writes=writes):
            yield session()
    finally:
        _unit.reset(token)


@contextmanager
def rehearsal() -> Iterator[None]:
    """Do what is done inside, to its last statement, and undo it: a refusal that must take as long as a success."""
    unit = _current()
    ends = unit.before_commit, unit.after_commit, unit.after_rollback
    before = [len(actions) for actions in ends]
    savepoint = session().begin_nested()
    try:
        yield
        for action in unit.before_commit[before[0] :]:
            action()
        session().flush()
    finally:
        savepoint.rollback()
        for actions, length in zip(ends, before, strict=True):
            del actions[length:]


def session() -> Session:
    """Return the session of the present unit, opened on first use."""
    unit = _current()
    if unit.session is None:
        bound = engine().execution_options(**{engines.WRITES if unit.writes else engines.READS: True})
        unit.session = Session(bound, expire_on_commit=False, info={"writes": unit.writes})
    return unit.session


def upsert(model: type[Model]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that can say ON CONFLICT, which both databases spell alike and SQLAlchemy does not."""
    return postgresql.insert(model) if is_postgres() else sqlite.insert(model)


def allow_idling(seconds: float) -> None:
    """Let the present transaction wait so long for something outside, without PostgreSQL ending it."""
    if is_postgres():
        session().execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {int(seconds * 1000)}"))


def before_commit(action: Action) -> None:
    """Do this last in the present transaction."""
    _current().before_commit.append(action)


def before_commit_once(action: Action) -> None:
    """Do this at the end of the present transaction, however often it is asked for."""
    if action not in _current().before_commit:
        before_commit(action)


def after_commit(action: Action) -> None:
    """Do this once the data is safely stored. A failure is logged and fails nothing."""
    _current().after_commit.append(action)


def once_committed(action: Action) -> None:
    """Do this as ``after_commit`` does, or now if no unit of work is open."""
    unit = _unit.get()
    if unit is None:
        _run_each([action])
    else:
        unit.after_commit.append(action)


def is_changing() -> bool:
    """Tell whether the present unit may see what is not committed yet."""
    unit = _unit.get()
    return unit is not None and unit.writes and unit.session is not None


def after_rollback(action: Action) -> None:
    """Store what must survive a refusal, each in a transaction of its own."""
    _current().after_rollback.append(action)


def ping() -> None:
    """Ask the database for an answer, or raise Unavailable."""
    with translated(), engine().execution_options(**{engines.READS: True}).connect() as connection:
        connection.execute(text("SELECT 1"))


@contextmanager
def translated() -> Iterator[None]:
    """Name what the driver raises inside."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        _raise_named(error)
        raise


def _raise_named(error: BaseException) -> None:
    """Name what the driver raised: a neighbour that is away, or a rule of the database that was broken."""
    if isinstance(error, IntegrityError):
        log.warning("refused by a constraint", extra={"constraint": type(error.orig).__name__})
        raise Conflict from error
    if isinstance(error, PoolTimeout):
        raise Unavailable("Too many requests at once. Try again in a moment.") from error
    if isinstance(error, DBAPIError) and engines.is_away(error.orig):
        seldom.warn(log, "database does not answer", error=type(error.orig).__name__)
        raise Unavailable from error


def _current() -> Unit:
    unit = _unit.get()
    if unit is None:
        message = "no unit of work is open"
        raise RuntimeError(message)
    return unit


def _run_each(actions: list[Action], around: Callable[[], Any] | None = None) -> None:
    for action in actions:
        try:
            if around is None:
                action()
            else:
                with around():
                    action()
        except Unavailable:  # it was said already
            seldom.warn(log, "an action after the transaction was not possible")
        except Exception as error:
            log.exception("an action after the transaction failed")
            reporting.unforeseen(error)


@event.listens_for(Session, "before_flush")
def _refuse_to_write_in_a_read(session: Session, *_: object) -> None:
    if session.info.get("writes") is False and (session.new or session.dirty or session.deleted):
        message = "a safe request does not write; use db.apart()"
        raise RuntimeError(message)
