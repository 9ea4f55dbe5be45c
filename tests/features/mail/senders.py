"""Processes that send mail, for tests that kill them or let several loose at once."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from tests.features.mail.conftest import SECRET
from tests.live import ROOT, environment
from tests.world import World


class Sender:
    """A process whose children send the mail of this world, one child at a time."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands = commands
        self._answers = answers

    def begin(self) -> int:
        """Start a child that sends what is due; return its process id."""
        self._commands.write("\n")
        self._commands.flush()
        said = ""
        while not said.isdigit():  # whatever else it prints is its log
            line = self._answers.readline()
            assert line, "the sender has died"
            said = line.strip()
        return int(said)

    def wait(self) -> None:
        """Return when the child is gone."""
        while self._answers.readline().strip() != "over":
            pass


@contextmanager
def senders(world: World, count: int, **settings: str) -> Iterator[list[Sender]]:
    """Run so many of these processes, on the database of this world."""
    url = world.settings.database if world.settings.database_url else f"sqlite:///{world.var / 'carboy.db'}"
    env = environment(
        world.var,
        SECRET_KEY=SECRET,
        PUBLIC_URL=world.settings.public_url,
        DATABASE_URL=url,
        **settings,
    )
    with ExitStack() as stack:
        yield [Sender(*stack.enter_context(_process(env))) for _ in range(count)]


@contextmanager
def _process(env: dict[str, str]) -> Iterator[tuple[IO[str], IO[str]]]:
    command = [sys.executable, "-m", "tests.features.mail.sender"]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdin, process.stdout
        process.stdin.close()  # which ends it
