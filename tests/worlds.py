"""Runs the test suite in both worlds, and says which of them ran: ``python -m tests.worlds --help``."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests import servers

ROOT = Path(__file__).resolve().parents[1]

COVERAGE_FLOOR = 95
"""Percent of app's branches that all worlds together must reach."""

SHARED_OUT = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder")
"""On every core, a file at a time, in the order of tests/conftest.py.

But serially under coverage, which loses what pytest-xdist's workers saw.
"""

LEAVE_SECONDS = 10.0
"""How long an interrupted pytest may take to clean up."""

NO_TESTS = 5  # pytest's exit code

DATABASE = "TEST_DATABASE_URL"
REDIS = "TEST_REDIS_URL"
INSTALL = f"install postgresql and redis-server, or set {DATABASE} and {REDIS}"


@dataclass(frozen=True)
class World:
    """How the suite fared in one world; ``code`` is the exit code that follows."""

    name: str
    code: int
    outcome: str

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for and return the exit code: 0 only if every world that ran passed."""
    ours, pytest_arguments = _split(arguments)
    options = _parser().parse_args(ours)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    pytest = [
        sys.executable,
        "-m",
        *(["coverage", "run", "-m"] if options.coverage else []),
        "pytest",
        *([] if options.coverage else SHARED_OUT),
        *pytest_arguments,
    ]
    if options.coverage:
        _coverage("erase")
    worlds = []
    if options.world in {"embedded", "all"}:
        worlds.append(_embedded(pytest))
    if options.world in {"services", "all"}:
        worlds.append(_services(pytest, required=options.require_services or options.world == "services"))
    codes = [world.code for world in worlds]
    if options.coverage:
        codes.append(_report_coverage())
    print("", *worlds, sep="\n", flush=True)
    return max(codes)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    words = list(arguments)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.worlds",
        description="Run the test suite in one world or in both.",
        epilog="What follows '--' goes to pytest: python -m tests.worlds embedded -- -k health",
    )
    parser.add_argument("world", nargs="?", choices=("embedded", "services", "all"), default="embedded")
    parser.add_argument("--require-services", action="store_true", help="fail where the services world cannot run")
    parser.add_argument(
        "--coverage", action="store_true", help=f"measure app's branches; fail below {COVERAGE_FLOOR} percent"
    )
    return parser


def _embedded(pytest: Sequence[str]) -> World:
    return _run(pytest, "embedded", {})


def _services(pytest: Sequence[str], *, required: bool) -> World:
    missing = _missing()
    if missing:
        return World("services", int(required), f"not run: {' and '.join(missing)} ({INSTALL})")
    with ExitStack() as stack:
        try:
            urls = {
                DATABASE: os.environ.get(DATABASE) or stack.enter_context(servers.postgres()).url,
                REDIS: os.environ.get(REDIS) or stack.enter_context(servers.redis()).url,
            }
        except servers.ServerFailed as error:
            return World("services", 1, f"failed: {error}")
        return _run(pytest, "services", urls)


def _missing() -> list[str]:
    found = {
        "no PostgreSQL server found": os.environ.get(DATABASE) or servers.find_postgres(),
        "no Redis server found": os.environ.get(REDIS) or servers.find_redis(),
    }
    return [complaint for complaint, place in found.items() if not place]


def _run(pytest: Sequence[str], name: str, urls: dict[str, str]) -> World:
    print(f"\n{name} world", flush=True)
    env = {key: value for key, value in os.environ.items() if key not in {DATABASE, REDIS}}
    started = time.monotonic()
    with _child(pytest, env | urls | {"CARBOY_TEST_WORLD": name}) as process:
        code = process.wait()
    seconds = f"{time.monotonic() - started:.0f} s"
    if code == NO_TESTS:
        return World(name, 1, "failed: no test ran")
    return World(name, int(code != 0), f"{'failed' if code else 'passed'} in {seconds}")


@contextmanager
def _child(command: Sequence[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that is over when the block is. Interrupted, it may clean up, but not for ever."""
    process = subprocess.Popen(command, env=env, cwd=ROOT)
    try:
        yield process
    except SystemExit:
        process.send_signal(signal.SIGINT)  # only we were told to stop
        raise
    finally:
        try:
            # After Ctrl-C there is nothing to send: the terminal told the program as well.
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEAVE_SECONDS)
        finally:
            process.kill()
            process.wait()


def _leave(number: int, _frame: FrameType | None) -> None:
    """Turn a request to stop into an exception, so that servers are stopped and folders removed."""
    raise SystemExit(128 + number)


def _coverage(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, check=False).returncode


def _report_coverage() -> int:
    combined = _coverage("combine", "--quiet")
    return combined or _coverage("report", f"--fail-under={COVERAGE_FLOOR}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
