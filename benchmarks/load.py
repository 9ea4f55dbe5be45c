"""A thousand users at once on the service as it comes, and how long they wait."""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles

from app.core.caller import OPERATOR
from app.core.permissions import ADMIN, USER
from app.features.accounts import service as accounts
from app.infra import db
from benchmarks import contestants, machine, population
from benchmarks.contestants import Contestant
from benchmarks.crowd import Account, Crowd
from benchmarks.neighbours import Neighbours, WorldMissing, neighbours

ROWS = 10_000
ONE_ADMINISTERS_OF = 20

ANSWERS = "| endpoint | answers | p50 ms | p95 ms | p99 ms | longest ms |"
MEMORY = "| memory of each worker, MiB | before | all signed in | at the end |"
HEADINGS = {"docs/performance.md": [ANSWERS, MEMORY]}


@dataclass(frozen=True, slots=True)
class Memory:
    """What each worker holds, in MiB: before anybody came, when all are signed in, at the end."""

    before: list[float]
    signed_in: list[float]
    after: list[float]


def main(arguments: Sequence[str]) -> int:
    """Print the tables for each world that was asked for; return 1 if anything went wrong for anybody."""
    options = parser().parse_args(arguments)
    worlds = ("embedded", "services") if options.world == "all" else (options.world,)
    try:
        return max(_run(world, options) for world in worlds)
    except WorldMissing as missing:
        print(missing, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks load", description=__doc__)
    made.add_argument("--world", choices=("embedded", "services", "all"), default="all")
    made.add_argument("--users", type=int, default=1000, help="users at once, a connection each (1000)")
    made.add_argument("--seconds", type=float, default=120, help="how long, once all are signed in (120)")
    made.add_argument("--think", type=float, default=4, help="seconds between two requests of a user, mean (4)")
    made.add_argument("--arrive", type=float, default=60, help="seconds in which they come and sign in (60)")
    made.add_argument("--workers", type=int, default=1, help="WORKERS of the service (1)")
    return made


def _let_many_connect() -> None:
    """Raise this process's limit of open files, which also counts connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(world: str, options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carboy-load-")))
        found = stack.enter_context(neighbours(world, ROWS))
        if found.keeps:  # what this run writes is of no use to another
            found = replace(found, database=f"sqlite:///{folder / 'load.db'}", keeps=False)
        people = _people(found, folder, options.users)
        chosen = contestants.settings(folder, found.database, found.redis) | {"WORKERS": str(options.workers)}
        service = stack.enter_context(contestants.service("service", folder, chosen))
        _let_many_connect()  # not before: the service has the limit that its users have
        crowd = Crowd(service.port, options.think)
        before, signed_in = _memory(service), list[float]()
        stay = crowd.visit(
            people,
            arrive=options.arrive,
            stay=options.seconds,
            when_in=lambda: signed_in.extend(_memory(service)),
        )
        seconds = asyncio.run(stay)
        _report(found, options, crowd, seconds, Memory(before, signed_in, _memory(service)))
    return int(bool(crowd.seen.errors))


def _people(found: Neighbours, folder: Path, number: int) -> list[Account]:
    """Fill the database, and make the accounts of those who come."""
    settings = contestants.in_process(folder, found.database, found.redis)
    population.assemble(settings, ROWS, keeps=found.keeps)
    made = [Account(f"load-{one}", population.PASSWORD, one % ONE_ADMINISTERS_OF == 0) for one in range(number)]
    hashed = accounts.hash_new_password(population.PASSWORD, hints=())
    with db.unit_of_work():
        for one in made:
            roles = [ADMIN, USER] if one.administers else [USER]
            account = accounts.NewAccount(one.username, f"{one.username}@load.example", hashed)
            accounts.create(account, roles=roles, by=OPERATOR)
    db.engine().dispose()
    return made


def _memory(service: Contestant) -> list[float]:
    return machine.memories_mebibytes(machine.family(service.pid))


def _report(found: Neighbours, options: argparse.Namespace, crowd: Crowd, seconds: float, memory: Memory) -> None:
    answers = sum(len(taken) for title, taken in crowd.seen.latencies.items() if "arriving" not in title)
    print(
        f"\n{options.users} users on {options.users} keep-alive connections for {seconds:.0f} s: {found.description},"
    )
    print(f"{options.workers} worker(s) with {contestants.THREADS} threads, {os.cpu_count()} cores for everything.")
    print(f"{answers} answers, {answers / seconds:.0f} a second, {sum(crowd.seen.errors.values())} errors.\n")
    print(f"{ANSWERS}\n|---|---:|---:|---:|---:|---:|")
    for title, taken in sorted(crowd.seen.latencies.items()):
        if taken:
            print(f"| `{title}` | {len(taken)} | {' | '.join(_spread(taken))} |")
    print(f"\n{MEMORY}\n|---|---:|---:|---:|")
    for number, held in enumerate(zip(memory.before, memory.signed_in, memory.after, strict=False), 1):
        print(f"| {number} | {' | '.join(f'{one:.0f}' for one in held)} |")
    for (title, kind), often in sorted(crowd.seen.errors.items()):
        print(f"\n**{often} × {title}: {kind}**")
    sys.stdout.flush()


def _spread(taken: list[float]) -> list[str]:
    cuts = quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else taken * 99
    return [f"{1000 * one:.0f}" for one in (cuts[49], cuts[94], cuts[98], max(taken))]
