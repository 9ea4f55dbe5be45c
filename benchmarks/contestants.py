"""The servers that are compared, all on one core: the service, the service without a part of it, and the bare one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from app.core.config import Settings
from app.core.config import load as read_settings
from benchmarks import bare, machine
from benchmarks.pressure import ask_once, request
from tests import live, servers

THREADS = 8
ISSUER = "http://carboy.bench"

GRANIAN = ("benchmarks.bare",)
GUNICORN = (
    *("gunicorn", "benchmarks.bare:app", "--bind", "127.0.0.1:{port}", "--keep-alive", "30"),
    *("--worker-class", "gthread", "--threads", str(THREADS)),
)
"""What serves the bare function: one worker, as many threads, connections that stay open."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server. ``start_seconds`` is from its command to its first answer."""

    name: str
    port: int
    pid: int
    start_seconds: float
    pids: list[int] = field(default_factory=list)

    def cpu_seconds(self) -> float | None:
        return machine.cpu_seconds(self.pids)

    def memory_mebibytes(self) -> float | None:
        return machine.memory_mebibytes(self.pids)


def settings(var: Path, database: str, redis: str) -> dict[str, str]:
    """Return how the service runs: as in production, with limits that count every request and refuse none."""
    return {
        "VAR_DIR": str(var),
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "PUBLIC_URL": ISSUER,
        "THREADS": str(THREADS),
        "RATELIMIT_SCALE": "10000",
        "PASSWORD_HASH_MEMORY_KIB": "19456",
        "PASSWORD_HASH_TIME_COST": "2",
    }


def in_process(var: Path, database: str, redis: str, *, statement_seconds: float = 600) -> Settings:
    """Return the settings with which a benchmark itself enters a database."""
    return read_settings(
        env_file=None,
        var_dir=var,
        database_url=database,
        redis_url=redis,
        public_url=ISSUER,
        database_statement_seconds=statement_seconds,
        log_level="ERROR",
    )


@contextmanager
def service(name: str, folder: Path, chosen: Mapping[str, str]) -> Iterator[Contestant]:
    """Start the service as users do; its log goes to a file in the folder."""
    place = folder / name.replace(" ", "-")
    place.mkdir(exist_ok=True)
    started = time.perf_counter()
    server = live.start(place, **_interpreter(), **chosen)
    with _stopped_in_the_end(server.process, place):
        live.wait_until_it_answers(server)
        seconds = time.perf_counter() - started
        port = int(server.url.rpartition(":")[2])
        yield Contestant(name, port, server.process.pid, seconds, machine.family(server.process.pid))


@contextmanager
def bare_function(
    folder: Path, database: str, of: Contestant, *, name: str = "bare", server: Sequence[str] = GRANIAN
) -> Iterator[Contestant]:
    """Start the bare function beside a service, on the same database and with its public keys."""
    health = orjson.loads(ask_once(of.port, request("GET", "/health")))
    setup = {
        "database": database,
        "issuer": ISSUER,
        "keys": orjson.loads(ask_once(of.port, request("GET", "/.well-known/jwks.json")))["keys"],
        "service": health["service"],
        "version": health["version"],
        "count_cap": 10_000,
        "threads": THREADS,
    }
    place, port = folder / name, live.free_port()
    place.mkdir()
    log = place / "log"
    environment = {"PORT": str(port), bare.SETUP: orjson.dumps(setup).decode(), **_interpreter()}
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.format(port=port) for word in server)],
            cwd=place,
            start_new_session=True,
            env=live.environment(place, **environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with _stopped_in_the_end(process, place):
        _wait_until_it_answers(port, process, log)
        seconds = time.perf_counter() - started
        yield Contestant(name, port, process.pid, seconds, machine.family(process.pid))


@contextmanager
def _stopped_in_the_end(process: subprocess.Popen[bytes], place: Path) -> Iterator[None]:
    """Stop a server in order in the end; what does not stop is killed."""
    with servers.ended_with_us(process, place):
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(live.STOP_SECONDS)


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + live.START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < ends, log.read_text()
        with suppress(OSError):
            ask_once(port, request("GET", "/health"))
            return
        time.sleep(0.02)


def _interpreter() -> dict[str, str]:
    """Return what the environment tells Python itself."""
    return {name: value for name, value in os.environ.items() if name.startswith("PYTHON") and name != "PYTHONPATH"}
