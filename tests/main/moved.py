"""A database of before, a database of after, and the way between them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from click.testing import Result
from flask import Flask
from sqlalchemy import create_engine

from app.infra import checksums, db, migrations
from app.infra.checksums import Checksum
from app.infra.columns import Model
from app.main import features
from tests.live import ROOT, environment
from tests.migrations.databases import empty_database
from tests.world import World

SECRET = "a secret of both databases, thirty-two characters and more"


def on_sqlite(world: World, path: Path, **settings: object) -> Flask:
    """Return the application on an SQLite database of its own, as its first start leaves it."""
    app = world.with_settings(database_url=f"sqlite:///{path}", secret_key=(SECRET,), **settings)
    migrations.upgrade()
    with db.unit_of_work():
        features.bootstrap()
    return app


def move(app: Flask, url: str) -> Result:
    """Run the command in this process; afterwards the present database is the new one, if it went well."""
    return app.test_cli_runner().invoke(args=["db", "move", "--to", url])


def begin_move(var: Path, old: Path, url: str) -> "subprocess.Popen[str]":
    """Run the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), "db", "move", "--to", url],
        cwd=var,
        env=environment(var, DATABASE_URL=f"sqlite:///{old}", SECRET_KEY=SECRET),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(url: str) -> dict[str, Checksum]:
    """Return what every table of a database holds."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return {table.name: checksums.of(connection, table) for table in Model.metadata.sorted_tables}
    finally:
        engine.dispose()


@contextmanager
def operator(url: str) -> Iterator[psycopg.Connection]:
    """Speak to a PostgreSQL as its operator does, not as the service."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@contextmanager
def target(folder: Path) -> Iterator[str]:
    """Make an empty PostgreSQL database."""
    assert os.environ["TEST_DATABASE_URL"].startswith("postgres")
    with empty_database(folder) as url:
        try:
            yield url
        finally:
            db.engine().dispose()
