"""What it costs to verify the audit trail on and on, as the timetable does."""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from statistics import median

from app.features.audit import service as audit
from app.features.audit import watch
from app.infra import db
from benchmarks.neighbours import on_each

BATCH = 1000

LOOKS = "| audit trail | rows | a look | a round |"
HEADINGS = {"docs/audit.md": [LOOKS]}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks audit", description=__doc__)
    made.add_argument("--rows", type=int, default=100_000, help="how long the trail is (100 000)")
    return made


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    rows = parser().parse_args(arguments).rows
    print(f"A look is {watch.ROWS} rows at most, a round all of them.\n\n{LOOKS}\n|---|---:|---:|---:|")
    on_each(partial(_measure, rows))
    return 0


def _measure(rows: int, title: str) -> None:
    for begin in range(0, rows, BATCH):
        with db.unit_of_work():
            for number in range(begin, min(begin + BATCH, rows)):
                audit.record("authn_login_success", target=("user", number))
    looks = _looks()
    print(f"| {title} | {rows} | {median(looks):.2f} s | {len(looks)} looks, {sum(looks):.1f} s |", flush=True)


def _looks() -> list[float]:
    """Return what each look took until all rows were seen to be whole."""
    took = list[float]()
    while True:
        began = time.perf_counter()
        found = watch.look()
        took.append(time.perf_counter() - began)
        assert found.fault is None, found.fault
        if found.verified_at:
            return took
