"""What is dear to compute, and what keeping it would save."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask

from app.core import clock
from app.core.caller import OPERATOR
from app.core.config import Settings
from app.core.paging import PageRequest
from app.features.accounts import service as accounts
from app.features.statistics.service import _figures
from app.features.visits import in_database
from app.infra import cache, db
from app.infra.cache import cached
from app.infra.metrics import Figure
from app.main.factory import create_app
from app.web import openapi
from benchmarks import contestants, population
from benchmarks.neighbours import Neighbours, WorldMissing, neighbours

LONG_SECONDS = 3600.0
"""What is kept must not end while it is measured."""

FEW, MANY = 5, 200

COSTS = "| what | computed | kept on Redis | in the process |"
HEADINGS = {"docs/cache.md": [COSTS.removesuffix(" |")]}

Compute = Callable[[], Any]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks cache", description=__doc__)
    made.add_argument("--users", type=int, default=500_000, help="how many there are (500 000)")
    return made


def main(arguments: Sequence[str]) -> int:
    """Print the table; return 0, or 1 where PostgreSQL or Redis is missing."""
    users = parser().parse_args(arguments).users
    try:
        with tempfile.TemporaryDirectory() as folder, neighbours("services", users) as found:
            _measure(Path(folder), found, users)
    except WorldMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


def _measure(var: Path, found: Neighbours, users: int) -> None:
    shared, alone = (contestants.in_process(var, found.database, redis) for redis in (found.redis, ""))
    population.assemble(shared, users, keeps=False)
    app = create_app(shared)
    print(f"{users} users, PostgreSQL and Redis; milliseconds, in brackets those of this process, medians.\n")
    print(f"{COSTS}\n|---|---|---|---|")
    for title, compute in _candidates(app, shared).items():
        kept = cached(title, seconds=LONG_SECONDS)(compute)
        costs = [_cost(compute, FEW)]
        for settings in (shared, alone):
            cache.connect(settings)
            kept()
            costs.append(_cost(kept, MANY))
        print(f"| {title} | {' | '.join(costs)} |", flush=True)


def _candidates(app: Flask, settings: Settings) -> dict[str, Compute]:
    def figures() -> list[Figure]:
        return _figures.__wrapped__()  # type: ignore[no-any-return, attr-defined]  # update_wrapper sets it

    def visits() -> dict[str, int]:
        with db.unit_of_work(writes=False):
            return dict(in_database.read(clock.now().date())[0])

    def description() -> dict[str, Any]:
        return openapi.document(app, settings)

    def everybody() -> int | None:
        asked = PageRequest(per_page=1, count="exact")
        with db.unit_of_work(writes=False):
            return accounts.list_users(filters=accounts.Filters(), page=asked, by=OPERATOR).total

    return {
        "the figures of `/metrics`": figures,
        "visits, of what the database has": visits,
        "`/openapi.json`": description,
        "`?count=exact` over all users": everybody,
    }


def _cost(compute: Compute, times: int) -> str:
    walls, owns = [], []
    for _ in range(times):
        wall, own = time.perf_counter(), time.process_time()
        compute()
        walls.append(time.perf_counter() - wall)
        owns.append(time.process_time() - own)
    return f"{1000 * median(walls):.2f} ({1000 * median(owns):.2f})"
