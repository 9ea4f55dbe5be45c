"""The databases under the service: PostgreSQL and Redis where they can be had, SQLite and one process elsewhere."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.infra import db, migrations
from app.main import features
from app.main.factory import create_app
from benchmarks import contestants, population
from tests import servers

VAR = Path(__file__).resolve().parents[1] / "var" / "bench"

_DATABASE, _REDIS = "TEST_DATABASE_URL", "TEST_REDIS_URL"


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Where the databases are, and in words. ``keeps``: what an earlier run left there may be used."""

    description: str
    database: str
    redis: str = ""
    keeps: bool = False


class WorldMissing(Exception):
    """The world that was asked for cannot be had here; the message says what to do."""


@contextmanager
def neighbours(world: str, users: int) -> Iterator[Neighbours]:
    """Open the world that was asked for: ``services``, ``embedded``, or ``auto`` for the first that can be had."""
    missing = _missing()
    if world == "services" and missing:
        message = f"{missing}: install postgresql and redis-server, or set {_DATABASE} and {_REDIS}"
        raise WorldMissing(message)
    if world == "embedded" or missing:
        why = "" if world == "embedded" else f"; {missing}"
        yield Neighbours(f"embedded world (SQLite, counting in the process{why})", _sqlite(users), keeps=True)
        return
    with ExitStack() as stack:
        named = os.environ.get(_DATABASE), os.environ.get(_REDIS)
        yield Neighbours(
            f"services world (PostgreSQL {_whose(named[0], _DATABASE)}, Redis {_whose(named[1], _REDIS)})",
            named[0] or stack.enter_context(servers.postgres()).url,
            named[1] or stack.enter_context(servers.redis()).url,
        )


def on_each(measure: Callable[[str], object]) -> None:
    """Measure on an empty SQLite, then on an empty PostgreSQL if there is one, each entered by this process."""
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carboy-bench-")))
        _enter(f"sqlite:///{var / 'bench.db'}", var)
        measure("SQLite")
        if servers.find_postgres():
            _enter(stack.enter_context(servers.postgres()).url, var)
            measure("PostgreSQL")


def _enter(database: str, var: Path) -> None:
    create_app(contestants.in_process(var, database, ""))
    migrations.upgrade()
    with db.unit_of_work():
        features.bootstrap()


def _missing() -> str:
    found = {
        "no PostgreSQL found": os.environ.get(_DATABASE) or servers.find_postgres(),
        "no Redis found": os.environ.get(_REDIS) or servers.find_redis(),
    }
    return " and ".join(complaint for complaint, place in found.items() if not place)


def _whose(url: str | None, name: str) -> str:
    return f"of {name}" if url else "started for this run"


def _sqlite(users: int) -> str:
    """Return a database that a later run of the same size and schema finds again; those of other schemas go."""
    VAR.mkdir(parents=True, exist_ok=True)
    shape = population.shape()
    for kept in VAR.glob("users-*.db*"):
        if f"-{shape}." not in kept.name:
            kept.unlink()
    return f"sqlite:///{VAR / f'users-{users}-{shape}.db'}"
