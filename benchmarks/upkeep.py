"""What keeping the data costs: backup, trial, restoration, move."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests import databases, live, servers

SECRET = "a key of the benchmark, thirty-two characters and more"
_KIBIBYTES = 1024

BACKUPS = "| | archive | list | create | verify | restore | memory |"
MOVE = "| move to PostgreSQL | memory |"
HEADINGS = {"docs/backups.md": [BACKUPS], "docs/moving.md": [MOVE]}


class CommandFailed(Exception):
    """One of the commands did not do what it should; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall time, and the most memory that the command or a program that it called held."""

    seconds: float
    mebibytes: float


@dataclass(frozen=True, slots=True)
class Place:
    """An instance: its folder, and its database."""

    var: Path
    database: str

    @property
    def backups(self) -> Path:
        return self.var / "backups"

    def run(self, *words: str) -> Cost:
        """Run one of our commands here; raise CommandFailed."""
        env = live.environment(
            self.var, DATABASE_URL=self.database, SECRET_KEY=SECRET, BACKUP_DIR=str(self.backups), LOG_LEVEL="ERROR"
        )
        began = time.perf_counter()
        with tempfile.TemporaryFile() as said:
            command = [sys.executable, "-m", "flask", "--app", str(live.ROOT / "wsgi.py"), *words]
            process = subprocess.Popen(command, cwd=self.var, env=env, stdout=said, stderr=said, start_new_session=True)
            with servers.ended_with_us(process, self.var):
                _, code, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(code)
            if process.returncode:
                said.seek(0)
                raise CommandFailed(said.read().decode())
        return Cost(time.perf_counter() - began, used.ru_maxrss / _KIBIBYTES)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks upkeep", description=__doc__)
    made.add_argument("--users", type=int, default=100_000, help="how many there are (100 000)")
    return made


def main(arguments: Sequence[str]) -> int:
    """Print both tables; return 0 unless a command failed, or 1 with what it said."""
    users = parser().parse_args(arguments).users
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carboy-upkeep-")))
            server = stack.enter_context(servers.postgres()).url if servers.find_postgres() else ""
            _measure(folder, server, users)
    except CommandFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def _measure(folder: Path, server: str, users: int) -> None:
    print(f"{users} users, {os.cpu_count()} cores; each command from its start to its end.\n")
    print(f"{BACKUPS}\n|---|---|---|---|---|---|---|")
    sqlite = _place(folder / "sqlite")
    _back_up("SQLite", sqlite, _place(folder / "sqlite-restored"), users)
    if not server:
        print("\nNo PostgreSQL was found: install postgresql for the rest.")
        return
    old, new, target = (databases.make_empty(server, f"upkeep_{name}") for name in ("old", "new", "target"))
    _back_up("PostgreSQL", _place(folder / "postgres", old), _place(folder / "postgres-restored", new), users)
    print(f"\n{MOVE}\n|---|---|")
    move = sqlite.run("db", "move", "--to", target)
    print(f"| {move.seconds:.1f} s | {move.mebibytes:.0f} MiB |")


def _back_up(title: str, old: Place, new: Place, users: int) -> None:
    old.run("init-db")
    old.run("seed", "--users", str(users))
    steps = [old.run("backup", word) for word in ("list", "create", "verify")]
    (archive,) = old.backups.glob("*.age")
    steps.append(new.run("backup", "restore", str(archive)))
    seconds = " | ".join(f"{step.seconds:.1f} s" for step in steps)
    most = max(step.mebibytes for step in steps)
    print(f"| {title} | {archive.stat().st_size / 1e6:.1f} MB | {seconds} | {most:.0f} MiB |", flush=True)


def _place(folder: Path, database: str = "") -> Place:
    folder.mkdir()
    return Place(folder, database or f"sqlite:///{folder / 'carboy.db'}")
