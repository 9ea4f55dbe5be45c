"""The service against the bare function, and the request layer; or, by its name, another benchmark."""

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import orjson

from benchmarks import (
    contestants,
    counting,
    duel,
    idle,
    keeping,
    layer,
    load,
    machine,
    population,
    report,
    serving,
    trail,
    upkeep,
)
from benchmarks.contestants import Contestant
from benchmarks.duel import Pace, fight
from benchmarks.machine import Cores
from benchmarks.neighbours import VAR, Neighbours, WorldMissing, neighbours
from benchmarks.population import Population
from benchmarks.pressure import ask_once, request
from benchmarks.report import SERVICE, Result
from tests import live

OTHERS = {
    "audit": trail,
    "cache": keeping,
    "counting": counting,
    "idle": idle,
    "layer": layer,
    "load": load,
    "serving": serving,
    "upkeep": upkeep,
}
"""What is run by its name: each has a parser, a main, and perhaps headings of tables that a page of docs repeats."""

STARTS = 3
NEW_TOKENS = 12_000  # more than either side remembers, so that each is new again when its turn comes

_VOLATILE = re.compile(rb'"(timestamp|request_id|access_token|refresh_token)":"[^"]*"')


@dataclass(frozen=True, slots=True)
class Measurement:
    """One kind of request. ``choices``: also measured on the service without some of its parts."""

    title: str
    requests: list[bytes] = field(repr=False)
    choices: bool = False


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of the servers' core went to anything else: on a quiet machine next to nothing."""

    cores: Cores
    contestants: list[Contestant]
    began: float
    busy: float
    own: float

    @classmethod
    def start(cls, cores: Cores, measured: list[Contestant]) -> "Meter":
        return cls(cores, measured, time.perf_counter(), machine.busy_seconds(cores.server), _cpu(measured))

    def others_share(self) -> float:
        """Return the part of the time since the start in which something else had the core."""
        busy = machine.busy_seconds(self.cores.server) - self.busy
        return max(0.0, busy - (_cpu(self.contestants) - self.own)) / (time.perf_counter() - self.began)


def _cpu(measured: Sequence[Contestant]) -> float:
    return sum(contestant.cpu_seconds() or 0.0 for contestant in measured)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks and return the exit code: 0 unless something failed; nothing is too slow to pass."""
    if arguments and arguments[0] in OTHERS:
        code: int = OTHERS[arguments[0]].main(arguments[1:])
        return code
    options = parser().parse_args(arguments)
    if options.connections > population.SIGNERS_IN:
        parser().error(f"at most {population.SIGNERS_IN} connections: each signs in to accounts of its own")
    cores = machine.cores()
    pace = duel.chosen(options)
    try:
        with machine.on(cores.others), neighbours(options.world, options.users) as found:
            _run(found, cores, options.users, pace)
    except WorldMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    with machine.on(cores.server):
        print(flush=True)
        return subprocess.run([sys.executable, "-m", "benchmarks", "layer"], cwd=live.ROOT, check=False).returncode


def parser() -> argparse.ArgumentParser:
    others = f"By name, each with a --help of its own: {', '.join(OTHERS)}."
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=others)
    made.add_argument("--world", choices=("auto", "services", "embedded"), default="auto")
    made.add_argument("--users", type=int, default=100_000, help="rows in the table (100000)")
    duel.let_choose(made)
    return made


def _run(found: Neighbours, cores: Cores, users: int, pace: Pace) -> None:
    people = population.assemble(
        contestants.in_process(VAR, found.database, found.redis, statement_seconds=3600), users, keeps=found.keeps
    )
    _introduce(found, cores, people, pace)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carboy-bench-")))
        with machine.on(cores.server):
            starts = [_start_once(folder, found) for _ in range(STARTS - 1)]
            service = _service(stack, SERVICE, folder, found)
            bare = stack.enter_context(contestants.bare_function(folder, found.database, service))
            reduced = [_service(stack, name, folder, found, **less) for name, less in _choices(found).items()]
        meter = Meter.start(cores, [service, bare, *reduced])
        reading = _reading(service.port, people)
        results = [_measure(measurement, service, bare, reduced, pace) for measurement in reading]
        resting = {one.name: one.memory_mebibytes() for one in (service, bare)}
        results.append(_measure(_signing_in(service.port, people), service, bare, reduced, pace))
        at_last = {one.name: one.memory_mebibytes() for one in (service, bare)}
        report.print_duels(results)
        print()
        report.print_choices(next(result for result in results if len(result.scores) > 2))
        print()
        report.print_ceiling(results[0])
        report.print_disturbance(meter.others_share())
        report.print_processes(resting, at_last)
        report.print_starts([*starts, service.start_seconds])


def _introduce(found: Neighbours, cores: Cores, people: Population, pace: Pace) -> None:
    print(f"Carboy, {found.description}, {people.users:,} users (ready after {people.seconds:.0f} s)")
    where = "a core of its own" if cores.apart else "the cores that the load and the databases use as well"
    print(f"Granian, one worker with {contestants.THREADS} threads, on {where}; {os.cpu_count()} cores")
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {pace.connections} keep-alive connections,"
        f" medians of {pace.rounds} rounds of {pace.seconds:g} s, turn about\n",
        flush=True,
    )


def _service(stack: ExitStack, name: str, folder: Path, found: Neighbours, **less: str) -> Contestant:
    patient = {"DATABASE_POOL_SECONDS": "60"}  # nothing fails because the machine is slow
    chosen = contestants.settings(VAR, found.database, found.redis) | patient | less
    return stack.enter_context(contestants.service(name, folder, chosen))


def _start_once(folder: Path, found: Neighbours) -> float:
    with ExitStack() as stack:
        return _service(stack, SERVICE, folder, found).start_seconds


def _choices(found: Neighbours) -> dict[str, dict[str, str]]:
    choices = {"without limits": {"RATELIMIT_SCALE": "0"}}
    if found.redis:
        choices["limits counted in the process"] = {"REDIS_URL": ""}
    return choices


def _reading(port: int, people: Population) -> list[Measurement]:
    administrator = orjson.dumps({"username": population.ADMINISTRATOR, "password": population.PASSWORD})
    signed_in = ask_once(port, request("POST", "/auth/login", body=administrator))
    token = orjson.loads(signed_in)["data"]["access_token"]
    strangers = [request("GET", "/auth/me", token=new) for new in population.more_tokens(token, NEW_TOKENS)]
    page = "/api/v1/users?per_page=20"
    return [
        Measurement("GET /health", [request("GET", "/health")]),
        Measurement("GET /auth/me", [request("GET", "/auth/me", token=token)], choices=True),
        Measurement("GET /auth/me, signature not seen before", strangers),
        Measurement("GET /api/v1/users?per_page=20, page 1", [request("GET", page, token=token)]),
        Measurement("  by cursor, first page", [request("GET", f"{page}&cursor=", token=token)]),
        Measurement("  by cursor, in the middle", [request("GET", f"{page}&cursor={people.middle}", token=token)]),
    ]


def _signing_in(port: int, people: Population) -> Measurement:
    logins = [request("POST", "/auth/login", body=body) for body in people.logins]
    for login in logins:
        ask_once(port, login)  # an address that is known costs one statement less
    return Measurement("POST /auth/login", logins)


def _measure(
    measurement: Measurement, service: Contestant, bare: Contestant, reduced: Sequence[Contestant], pace: Pace
) -> Result:
    """Assert that both answer the same, then let them compete."""
    ours, limit = (
        _VOLATILE.sub(b"", ask_once(contestant.port, measurement.requests[0])) for contestant in (service, bare)
    )
    assert ours == limit, f"{measurement.title}: not the same answer\n{ours.decode()}\n{limit.decode()}"
    competing = [service, bare, *(reduced if measurement.choices else ())]
    return Result(measurement.title, fight(competing, measurement.requests, pace))


def _leave(number: int, _frame: FrameType | None) -> None:
    """Turn a request to stop into an exception, so that servers are stopped and folders removed; once."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    for request_to_stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(request_to_stop, _leave)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
