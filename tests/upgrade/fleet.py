"""Servers of several releases on one database, and a balancer that sends each request to any of them."""

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Lock

from tests.live import LiveServer, environment, running, wait_until
from tests.serving.http import Reply, send

SERVED = 40
"""How many requests each of two releases has answered before the next thing happens to them."""


@dataclass
class Instance:
    """A server of one release; ``at_work`` counts the requests that are on their way to it."""

    release: str
    server: LiveServer
    stack: ExitStack
    served: int = 0
    at_work: int = 0


@dataclass
class Fleet:
    """The servers that take traffic."""

    folder: Path
    trees: dict[str, Path]
    settings: dict[str, str]
    instances: list[Instance] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _started: int = 0

    def run(self, release: str, *words: str) -> str:
        """Run one of our commands with the code of a release."""
        tree = self.trees[release]
        command = [sys.executable, "-m", *_flask(tree, *words)]
        env = environment(self.folder, **self._settings(tree))
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, release: str) -> Instance:
        """Start a server of a release, and send it traffic once it is ready."""
        self._started += 1
        var, stack = self.folder / f"instance-{self._started}", ExitStack()
        var.mkdir()
        tree = self.trees[release]
        server = stack.enter_context(running(var, _flask(tree, "serve"), **self._settings(tree)))
        one = Instance(release, server, stack)
        wait_until(lambda: readiness(one).status == 200, lambda: readiness(one).text + server.output)
        with self._lock:
            self.instances.append(one)
        return one

    def stop(self, one: Instance) -> None:
        """Send it no more traffic, let it answer what it has, and stop it as orchestrators do."""
        with self._lock:
            self.instances.remove(one)
        wait_until(lambda: one.at_work == 0)
        one.server.stop(signal.SIGTERM)
        one.stack.close()

    def serve(self) -> None:
        """Return once every server has answered some more requests; all of them must be ready then."""
        before = {id(one): one.served for one in self.instances}
        wait_until(
            lambda: all(one.served - before[id(one)] >= SERVED for one in self.instances),
            lambda: str([(one.release, one.served - before[id(one)]) for one in self.instances]),
        )
        assert [readiness(one).json["status"] for one in self.instances] == ["ready"] * len(self.instances)

    @contextmanager
    def some(self) -> Iterator[Instance]:
        """Choose a server for a request."""
        with self._lock:
            one = secrets.choice(self.instances)
            one.at_work += 1
        try:
            yield one
        finally:
            with self._lock:
                one.at_work -= 1
                one.served += 1

    def close(self) -> None:
        """Stop them all."""
        for one in list(self.instances):
            self.stop(one)

    def _settings(self, tree: Path) -> dict[str, str]:
        return {**self.settings, "PYTHONPATH": str(tree)}


def _flask(tree: Path, *words: str) -> tuple[str, ...]:
    """Return a command as the code of a tree understands it."""
    return ("flask", "--app", str(tree / "wsgi.py"), *words)


def readiness(one: Instance) -> Reply:
    """Ask a server whether it is ready; it may not listen yet."""
    try:
        return send(f"{one.server.url}/readiness")
    except (OSError, HTTPException) as error:
        raise AssertionError(one.server.output) from error
