"""What a serving process that has nothing to do asks of its database."""

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import event

from app.core.config import load
from app.infra import db, engines, migrations, query, queue
from app.main import features
from app.main.factory import create_app
from tests import servers

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
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measure("SQLite", f"sqlite:///{var / 'idle.db'}", var, seconds)
        if servers.find_postgres():
            measure("PostgreSQL", stack.enter_context(servers.postgres()).url, var, seconds)
    return 0


def measure(name: str, url: str, var: Path, seconds: float) -> None:
    create_app(load(env_file=None, var_dir=var, database_url=url))
    migrations.upgrade()
    with db.unit_of_work():
        features.bootstrap()
    queue.start()
    try:
        time.sleep(2 * queue.TICK_SECONDS)  # the first round does what was never done
        statements, writes, took = _counted(seconds)
    finally:
        queue.stop()
    print(f"| {name} | {statements / seconds:.2f} | {writes / seconds:.2f} | {1000 * took / seconds:.2f} |", flush=True)


def _counted(seconds: float) -> tuple[int, int, float]:
    took: list[float] = []
    writes: list[bool] = []

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
    time.sleep(seconds)
    query._Compiled.run = run  # type: ignore[method-assign]  # noqa: SLF001 -- as above
    return len(took), sum(writes), sum(took)
