"""Whoever does the jobs of a test: processes to be killed at any moment, with and without a broker."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from tests.features.mail.conftest import SECRET
from tests.live import ROOT, environment
from tests.world import World

STOP_SECONDS = 30.0


class Hand:
    """A process of this machine that works as a serving process does; killed, it is followed by another."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands, self._answers = commands, answers
        self.pid = 0

    def begin(self) -> None:
        self._commands.write("\n")
        self._commands.flush()
        self.pid = int(self._answers.readline())

    def end(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)
        assert self._answers.readline().strip() == "over"


class Hands:
    """Processes without a broker."""

    def __init__(self, hands: list[Hand]) -> None:
        self._hands = hands
        for hand in hands:
            hand.begin()

    def kill_one(self, chance: random.Random) -> bool:
        hand = chance.choice(self._hands)
        hand.end(signal.SIGKILL)
        hand.begin()
        return True

    def tend(self) -> None:
        """Do what a supervisor does; these follow each other by themselves."""

    def stop(self) -> None:
        while self._hands:
            self._hands.pop().end(signal.SIGTERM)


class Workers:
    """A Celery worker, whose processes are killed; Celery starts others. One kill of twenty hits the worker itself."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self._command, self._env, self.log = command, env, log
        self._begin()

    def _begin(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=self._env, stdout=output, stderr=output)

    def _children(self) -> list[int]:
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, check=False
        )
        return [int(word) for word in listing.stdout.split()]

    def tend(self) -> None:
        """Start it again if it ended, as a supervisor does: Celery gives up if its processes die while it starts."""
        if self._process.poll() is not None:
            self._begin()

    def kill_one(self, chance: random.Random) -> bool:
        self.tend()
        children = self._children()
        if children and chance.random() < 0.05:  # not while it starts: it might never come to work
            self._process.kill()
            self._process.wait()
            self._begin()
            return True
        with suppress(ProcessLookupError, IndexError):
            os.kill(chance.choice(children), signal.SIGKILL)
            return True
        return False

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(STOP_SECONDS)


@contextmanager
def hands(world: World, count: int = 2) -> Iterator[Hands]:
    """Have so many processes work in threads of theirs."""
    command = [sys.executable, "-m", "tests.features.jobs.crew"]
    with ExitStack() as stack, (world.var / "crew.log").open("ab") as log:
        made = []
        for _ in range(count):
            process = subprocess.Popen(
                command, cwd=ROOT, env=_env(world), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.PIPE, text=True
            )
            stack.enter_context(process)
            assert process.stdin
            assert process.stderr
            stack.callback(process.stdin.close)  # which ends it
            made.append(Hand(process.stdin, process.stderr))
        crew = Hands(made)
        try:
            yield crew
        finally:
            crew.stop()


@contextmanager
def workers(world: World, broker: str, var: Path, *, beats: int = 2) -> Iterator[Workers]:
    """Have a Celery worker of two processes work, and so many beats tell them the time."""
    app = [sys.executable, "-m", "celery", "-A", "tests.features.jobs.crew_of_celery"]
    with ExitStack() as stack:
        for number in range(beats):
            place = var / f"beat-{number}"
            place.mkdir()
            beat = Workers([*app, "beat"], _env(world, place, broker), place / "log")
            stack.callback(beat.stop)
        crew = Workers([*app, "worker", "--concurrency", "2"], _env(world, var, broker), var / "worker.log")
        try:
            yield crew
        finally:
            crew.stop()


def _env(world: World, var: Path | None = None, broker: str = "") -> dict[str, str]:
    url = world.settings.database if world.settings.database_url else f"sqlite:///{world.var / 'carboy.db'}"
    given = {"SECRET_KEY": SECRET, "PUBLIC_URL": world.settings.public_url, "DATABASE_URL": url}
    return environment(var or world.var, **given, CELERY_BROKER_URL=broker, C_FORCE_ROOT="1")
