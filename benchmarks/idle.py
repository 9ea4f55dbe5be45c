"""What a serving process that has nothing to do asks of its database."""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import event

from app.infra import db, engines, query, queue
from benchmarks.neighbours import on_each

ASKED = "| each second, idle | statements | transactions that write | ms of waiting for the database |"
HEADINGS = {"docs/jobs.md": [ASKED]}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks idle", description=__doc__)
    made.add_argument("--seconds", type=float, default=30, help="how long it is watched on each database (30)")
    return made


def main(arguments: Sequence[str]) -> int:
    """Print statements, transactions that write, and milliseconds of the database for each second of idleness."""
    seconds = parser().parse_args(arguments).seconds
    print(f"{ASKED}\n|---|---:|---:|---:|")
    on_each(partial(_measure, seconds))
    return 0


def _measure(seconds: float, name: str) -> None:
    took: list[float] = []
    writes: list[bool] = []
    with _noting(took, writes):
        queue.start()
        try:
            time.sleep(2 * queue.TICK_SECONDS)  # the first round does what was never done
            took.clear()
            writes.clear()
            time.sleep(seconds)
            seen = len(took) / seconds, sum(writes) / seconds, 1000 * sum(took) / seconds
        finally:
            queue.stop()
    print(f"| {name} | {' | '.join(f'{one:.2f}' for one in seen)} |", flush=True)


@contextmanager
def _noting(took: list[float], writes: list[bool]) -> Iterator[None]:
    """Note of each statement how long it took, of each transaction whether it writes.

    Begun before there are threads: SQLAlchemy's listeners must not change under them.
    """

    def note(connection: object, *_: object) -> None:
        took.append(time.perf_counter() - connection.info["began"])  # type: ignore[attr-defined]  # a Connection

    def began(connection: object) -> None:
        writes.append(bool(connection.get_execution_options().get(engines.WRITES)))  # type: ignore[attr-defined]  # as above

    run = query._Compiled.run  # noqa: SLF001 -- these go past SQLAlchemy's events

    def timed(*given: object) -> object:
        started = time.perf_counter()
        try:
            return run(*given)  # type: ignore[arg-type]  # whatever it takes
        finally:
            took.append(time.perf_counter() - started)

    query._Compiled.run = timed  # type: ignore[method-assign, assignment]  # noqa: SLF001 -- as above
    event.listen(db.engine(), "after_cursor_execute", note)
    event.listen(db.engine(), "begin", began)
    yield
    query._Compiled.run = run  # type: ignore[method-assign]  # noqa: SLF001 -- as above
