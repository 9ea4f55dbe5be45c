"""What metrics cost: each time something is counted, and to read what many workers that ended have counted."""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.infra import metrics
from benchmarks import machine

ROUNDS, TIMES = 21, 2000
ENDPOINTS = [f"/api/v1/made-up-{number}" for number in range(20)]
_MEBIBYTE = 1024 * 1024

COUNTED = "| what is counted | µs |"
READ = "| workers that ended | they leave | the first to read waits | then there are | whoever reads then waits |"
HEADINGS = {"docs/performance.md": [COUNTED], "docs/monitoring.md": [READ]}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks counting", description=__doc__)
    made.add_argument("--workers", type=int, default=200, help="how many counted and ended (200)")
    return made


def main(arguments: Sequence[str]) -> int:
    """Print both tables."""
    workers = parser().parse_args(arguments).workers
    with tempfile.TemporaryDirectory(prefix="carboy-counting-") as folder:
        metrics.start(Path(folder))
        print(f"{COUNTED}\n|---|---:|")
        for title, count in _counts().items():
            print(f"| {title} | {_cost(count):.1f} |")
        for _ in range(workers):
            _let_one_work()
        left, first = _held(folder), _read_seconds()
        kept, later = _held(folder), _read_seconds()
        print(f"\n{READ}\n|---:|---:|---:|---:|---:|")
        print(f"| {workers} | {left} | {first:.2f} s | {kept} | {later:.2f} s |")
    return 0


def _counts() -> dict[str, Callable[[], object]]:
    def request() -> None:
        metrics.request("GET", "/auth/me", 200, 0.002)

    def connection() -> None:
        metrics.connections(active=1, idle=0)
        metrics.connections(active=0, idle=1)

    return {
        "a request": request,
        "a statement": lambda: metrics.query(0.001),
        "a connection that is taken and given back": connection,
    }


def _cost(count: Callable[[], object]) -> float:
    """Return the least that it took in many rounds, in microseconds of this thread."""
    return min(machine.microseconds(count, TIMES) for _ in range(ROUNDS))


def _let_one_work() -> None:
    """Count a little of everything in a process that then ends."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        for endpoint in ENDPOINTS:
            metrics.request("GET", endpoint, 200, 0.002)
        for count in _counts().values():
            count()
    finally:
        os._exit(0)


def _held(folder: str) -> str:
    files = [path for path in Path(folder).iterdir() if path.is_file()]
    return f"{len(files)} files, {sum(path.stat().st_blocks for path in files) * 512 / _MEBIBYTE:.1f} MiB"


def _read_seconds() -> float:
    began = time.perf_counter()
    metrics.exposition()
    return time.perf_counter() - began
