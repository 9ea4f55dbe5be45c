"""The real server, started as users start it: a process, a port, a database of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 30.0


@dataclass
class LiveServer:
    """A running server; ``output`` is what it printed so far, ``lines`` what of it is its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    errors: Path

    @property
    def output(self) -> str:
        return self.errors.read_text() + self.log.read_text()

    @property
    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    @property
    def setup_code(self) -> str:
        """Return the one-time code that it printed."""
        found = re.search(r"/setup\?code=(\S+)", self.output)
        assert found, self.output
        return found[1]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


def environment(var: Path, **settings: str) -> dict[str, str]:
    """Return an environment with nothing of ours but these settings; the working directory has no ``.env``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "TMPDIR"} or name.startswith("COVERAGE")
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "VAR_DIR": str(var),
        "PASSWORD_HASH_MEMORY_KIB": "8",
        "PASSWORD_HASH_TIME_COST": "1",
        "RATELIMIT_SCALE": "0",
        **settings,
    }


GRANIAN = ("flask", "--app", str(ROOT / "wsgi.py"), "serve")
GUNICORN = ("gunicorn", "--config", str(ROOT / "gunicorn.conf.py"))


@contextmanager
def running(var: Path, server: tuple[str, ...] = GRANIAN, /, **settings: str) -> Iterator[LiveServer]:
    """Start the server, wait until it answers, and stop it at the end."""
    live = start(var, server, **settings)
    try:
        wait_until_it_answers(live)
        yield live
    finally:
        if live.process.poll() is None:
            live.stop()


def start(var: Path, server: tuple[str, ...] = GRANIAN, /, **settings: str) -> LiveServer:
    """Start the server, which is then for the caller to stop, in a group of its own as a terminal or supervisor has."""
    port = settings.setdefault("PORT", str(free_port()))
    log, errors = var / "server.log", var / "server.err"
    with log.open("ab") as output, errors.open("ab") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", *server],
            cwd=var,
            start_new_session=True,
            env=environment(var, **settings),
            stdout=output,
            stderr=complaints,
        )
    return LiveServer(f"http://127.0.0.1:{port}", process, log, errors)


def wait_until_it_answers(server: LiveServer) -> None:
    """Return once ``/health`` answers; fail with what the server printed if it ends or takes too long."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        assert server.process.poll() is None, server.output
        try:
            urllib.request.urlopen(f"{server.url}/health", timeout=1).close()
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"no answer within {START_SECONDS} s:\n{server.output}")


def wait_until(
    holds: Callable[[], bool], complain: Callable[[], str] = lambda: "", *, seconds: float = START_SECONDS
) -> None:
    """Return once something holds; fail with what there is to say if that takes too long."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, complain()
        time.sleep(0.02)


def wait_until_there(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Return once an address answers; fail if the process that should answer ends or takes too long."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        assert process.poll() is None
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"no answer from {url} within {START_SECONDS} s")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
