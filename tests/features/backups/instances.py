"""Instances of their own, run by commands as users run them, whose database can be destroyed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.live import ROOT, environment
from tests.world import SERVICES

SECRET = "a secret of the drill, thirty-two characters and more"
FLASK = [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py")]


@dataclass
class Instance:
    """An instance: its folder, its settings, its database."""

    var: Path
    server: str = ""
    name: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Begin a command."""
        return subprocess.Popen(
            [*FLASK, *arguments],
            cwd=self.var,
            env=environment(self.var, **self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run a command that succeeds, and return what it prints."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, output + errors
        return output

    def destroy(self) -> None:
        """Lose the database for good, and have an empty one in its place."""
        for path in self.var.glob("carboy.db*"):
            path.unlink()
        if self.server:
            with psycopg.connect(self.server, autocommit=True) as operator:
                operator.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)".encode())
                operator.execute(f"CREATE DATABASE {self.name}".encode())


@contextmanager
def instance(var: Path, url: str) -> Iterator[Instance]:
    """Make an instance on an empty database of this world, gone afterwards; ``url`` tells the server."""
    var.mkdir()
    made = Instance(var, settings={"SECRET_KEY": SECRET})
    if SERVICES:
        made.server = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        made.name = f"{make_url(url).database}_{var.name}"
        made.settings["DATABASE_URL"] = make_url(url).set(database=made.name).render_as_string(hide_password=False)
    made.destroy()
    try:
        yield made
    finally:
        if made.server:
            with psycopg.connect(made.server, autocommit=True) as operator:
                operator.execute(f"DROP DATABASE IF EXISTS {made.name} WITH (FORCE)".encode())
