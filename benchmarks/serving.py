"""The bare function under Granian and under Gunicorn: a worker, threads, connections that stay open."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import orjson

from benchmarks import contestants, duel, machine, population
from benchmarks.duel import Pace, fight, share_of_rate
from benchmarks.neighbours import VAR, Neighbours, WorldMissing, neighbours
from benchmarks.pressure import ask_once, request

USERS = 1000
GRANIAN, GUNICORN = "Granian", "Gunicorn"

RATES = "| requests/s | Granian | Gunicorn | times |"
HEADINGS = {"docs/performance.md": [RATES]}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks serving", description=__doc__)
    made.add_argument("--world", choices=("auto", "services", "embedded"), default="auto")
    duel.let_choose(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Print the table; return 0, or 1 where the world that was asked for cannot be had."""
    options = parser().parse_args(arguments)
    cores = machine.cores()
    try:
        with machine.on(cores.others), neighbours(options.world, USERS) as found:
            _measure(found, cores, duel.chosen(options))
    except WorldMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


def _measure(found: Neighbours, cores: machine.Cores, pace: Pace) -> None:
    population.assemble(contestants.in_process(VAR, found.database, found.redis), USERS, keeps=found.keeps)
    chosen = contestants.settings(VAR, found.database, found.redis)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carboy-bench-")))
        with machine.on(cores.server):
            service = stack.enter_context(contestants.service("service", folder, chosen))
            rivals = [
                stack.enter_context(contestants.bare_function(folder, found.database, service, name=name, server=words))
                for name, words in {GRANIAN: contestants.GRANIAN, GUNICORN: contestants.GUNICORN}.items()
            ]
        print(
            f"The bare function, {found.description}, {contestants.THREADS} threads.\n\n{RATES}\n|---|---:|---:|---:|"
        )
        for title, asked in _asked(service.port).items():
            scores = fight(rivals, [asked], pace)
            times = share_of_rate(scores, GRANIAN, GUNICORN)
            print(f"| {title} | {scores[GRANIAN].rate:.0f} | {scores[GUNICORN].rate:.0f} | {times:.1f} |", flush=True)


def _asked(port: int) -> dict[str, bytes]:
    administrator = orjson.dumps({"username": population.ADMINISTRATOR, "password": population.PASSWORD})
    signed_in = orjson.loads(ask_once(port, request("POST", "/auth/login", body=administrator)))
    return {
        "a bare answer, `GET /health`": request("GET", "/health"),
        "a query, `GET /auth/me`": request("GET", "/auth/me", token=signed_in["data"]["access_token"]),
    }
