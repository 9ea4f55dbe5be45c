"""Instances of their own, run by commands as users run them, whose database can be destroyed."""

import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests import databases
from tests.live import ROOT, environment

SECRET = "a secret of the drill: thirty-two characters and more"
PAGE = (ROOT / "docs" / "backups.md").read_text()
FLASK = [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py")]


AGE = """
import sys

import pyrage

_, _, _, key, sealed = sys.argv
with open(key) as file:
    identity = pyrage.x25519.Identity.from_str(file.read().strip())
with open(sealed, "rb") as file:
    sys.stdout.buffer.write(pyrage.decrypt(file.read(), [identity]))
"""
"""What the page does with age, where it may not be installed: the same library that wrote the file."""


def printed(sign: str, *, language: str = "sh") -> str:
    """Return the block of docs/backups.md that holds this."""
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if sign in block]
    return str(found)


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

    def bash(self, commands: str, **settings: str) -> str:
        """Run commands as printed, with ``flask`` and ``age`` where the shell finds them; return what they print."""
        programs = self.var / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "age.py").write_text(AGE)
        for name, run in (("flask", FLASK), ("age", [sys.executable, str(programs / "age.py")])):
            (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(run)} "$@"\n')
            (programs / name).chmod(0o700)
        paths = [str(programs), os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
        done = subprocess.run(
            ["bash", "-euc", commands],
            cwd=self.var,
            env={**environment(self.var, **self.settings), **settings, "PATH": ":".join(paths)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def people(self) -> set[str]:
        """Return the user names that are stored."""
        statement = "SELECT username FROM users"
        if self.server:
            url = make_url(self.settings["DATABASE_URL"]).set(drivername="postgresql")
            with psycopg.connect(url.render_as_string(hide_password=False)) as reader:
                return {name for (name,) in reader.execute(statement)}
        with closing(sqlite3.connect(self.var / "carboy.db")) as reader:
            return {name for (name,) in reader.execute(statement)}

    def destroy(self, *, anew: bool = True) -> None:
        """Lose the database for good, and have an empty one in its place."""
        for path in self.var.glob("carboy.db*"):
            path.unlink()
        if self.server and anew:
            databases.make_empty(self.server, self.name)
        elif self.server:
            databases.drop(self.server, self.name)


@contextmanager
def instance(var: Path, url: str) -> Iterator[Instance]:
    """Make an instance on an empty database of this world, gone afterwards; ``url`` tells the server."""
    var.mkdir()
    made = Instance(var, settings={"SECRET_KEY": SECRET})
    if url.startswith("postgresql"):
        made.server, made.name = url, f"{make_url(url).database}_{var.name}"
        made.settings["DATABASE_URL"] = make_url(url).set(database=made.name).render_as_string(hide_password=False)
    made.destroy()
    try:
        yield made
    finally:
        made.destroy(anew=False)
