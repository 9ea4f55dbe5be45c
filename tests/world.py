"""The world under test: an application on a real, migrated database, put back as it was after each test."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis as redis_client
from flask import Flask
from sqlalchemy import event, text

from app.core.config import Settings, load
from app.features.auth import keys
from app.infra import cache, db, hits, migrations, query
from app.infra.columns import Model
from app.main import features
from app.main.factory import create_app
from tests.assembly import remember_routes
from tests.workers import own_database, own_redis

SERVICES = os.environ.get("CARBOY_TEST_WORLD", "embedded") == "services"

MOVED = SERVICES and os.environ.get("CARBOY_TEST_MOVED") == "1"
"""Whether the suite runs on a database that `flask db move` made: the same tests, to show that nothing differs."""

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of the processes that share the suite out this is; each has a database of its own."""

if SERVICES and "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["TEST_DATABASE_URL"] = own_database(os.environ["TEST_DATABASE_URL"], WORKER)
    os.environ["TEST_REDIS_URL"] = own_redis(os.environ["TEST_REDIS_URL"], WORKER)

PASSWORD = "Correct-Horse-7-Battery"

remember_routes()

for _name in (*Settings.model_fields, "flask_debug"):
    os.environ.pop(_name.upper(), None)  # whoever runs the tests may have a DATABASE_URL of their own: not for us


def settings(var: Path, **changed: Any) -> Settings:
    """Return the settings of this world: cheap hashing, no traffic limits, nothing read from the environment."""
    base: dict[str, Any] = {
        "var_dir": var,
        "public_url": "http://carboy.test",
        "secret_key": ("a key of the tests, thirty-two characters and more",),
        "password_hash_memory_kib": 8,
        "password_hash_time_cost": 1,
        "ratelimit_scale": 0,
        "count_cap": 100,
    }
    if SERVICES:
        base["database_url"] = os.environ["TEST_DATABASE_URL"]
        base["redis_url"] = os.environ["TEST_REDIS_URL"]
        base["redis_seconds"] = 5.0
    return load(env_file=None, **{**base, **changed})


@dataclass
class World:
    """The application and its database."""

    var: Path
    settings: Settings
    app: Flask
    dirty: bool = False
    reassembled: bool = False
    pristine: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    copy: sqlite3.Connection | None = None

    @classmethod
    def make(cls, var: Path) -> "World":
        """Migrate an empty database and keep what it then holds."""
        chosen = settings(var)
        world = cls(var, chosen, create_app(chosen))
        if SERVICES:
            migrations.downgrade("base")
        if MOVED:
            world._move_in()
        migrations.upgrade()
        with db.unit_of_work():
            features.bootstrap()
        world._watch()
        world._remember()
        return world

    def _move_in(self) -> None:
        """Let the database be one that came from SQLite."""
        first = create_app(settings(self.var, database_url=f"sqlite:///{self.var / 'first.db'}"))
        runner = first.test_cli_runner()
        for words in (["init-db"], ["db", "move", "--to", self.settings.database_url]):
            run = runner.invoke(args=words)
            assert run.exit_code == 0, run.output
        self.app = create_app(self.settings)

    def with_settings(self, **changed: Any) -> Flask:
        """Assemble the application again with other settings; ``reset`` goes back."""
        self.app = create_app(settings(self.var, **changed))
        self.dirty = self.reassembled = True
        self._watch()
        return self.app

    def come_back(self) -> None:
        """Assemble the application as it was first, if it is another."""
        if self.reassembled:
            self.app = create_app(self.settings)
            self._watch()
        self.reassembled = False

    def reset(self) -> None:
        """Put database, Redis and counters back as they were."""
        self.come_back()
        if self.dirty:
            self._restore()
        if SERVICES:
            redis_client.Redis.from_url(self.settings.redis_url).flushdb()
        self.dirty = False
        hits.connect(self.settings)
        cache.connect(self.settings)
        keys._forget()

    def _watch(self) -> None:
        event.listen(db.engine(), "begin", self._soil)

    def _soil(self, *_: object) -> None:
        self.dirty = True

    def _remember(self) -> None:
        if not SERVICES:
            self.copy = sqlite3.connect(":memory:", check_same_thread=False)
            with raw_sqlite() as live:
                live.backup(self.copy)
            return
        with db.engine().connect() as connection:
            for table in Model.metadata.sorted_tables:
                self.pristine[table.name] = [dict(row._mapping) for row in connection.execute(table.select())]

    def _restore(self) -> None:
        if self.copy is not None:
            with raw_sqlite() as live:
                self.copy.backup(live)
            return
        with db.engine().connect() as connection:
            connection.execute(text("SET session_replication_role = replica"))  # lets the audit trail be emptied
            for table in reversed(Model.metadata.sorted_tables):
                connection.execute(table.delete())
            for table in Model.metadata.sorted_tables:
                if self.pristine[table.name]:
                    connection.execute(table.insert(), self.pristine[table.name])
            connection.execute(text("SET session_replication_role = origin"))
            connection.commit()


@contextmanager
def raw_sqlite() -> Iterator[sqlite3.Connection]:
    connection = db.engine().raw_connection()
    try:
        yield connection.driver_connection  # type: ignore[misc]
    finally:
        connection.close()


Statements = list[str]


@contextmanager
def counted_statements() -> Iterator[Statements]:
    """Collect every statement that reaches the database, also those of prepared queries."""
    seen: Statements = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    original = query._Compiled.run

    def run(self: Any, engine: Any, given: dict[str, Any]) -> list[Any]:
        seen.append(self._sql)
        return original(self, engine, given)

    event.listen(db.engine(), "before_cursor_execute", note)
    query._Compiled.run = run  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        event.remove(db.engine(), "before_cursor_execute", note)
        query._Compiled.run = original  # type: ignore[method-assign]
