"""Measures what a serving process that has nothing to do asks of its database: ``python -m benchmarks.idle``."""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import event

from app.core.config import load
from app.infra import db, engines, migrations, query, queue
from app.main import features
from app.main.factory import create_app
from tests import servers

SECONDS = 30.0


def main() -> None:
    """Print statements, transactions that write, and milliseconds of the database for each second of idleness."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measure("SQLite", f"sqlite:///{var / 'idle.db'}", var, seconds)
        if servers.find_postgres():
            measure("PostgreSQL", stack.enter_context(servers.postgres()).url, var, seconds)


def measure(name: str, url: str, var: Path, seconds: float) -> None:
    create_app(load(env_file=None, var_dir=var, database_url=url))
    migrations.upgrade()
    with db.unit_of_work():
        features.bootstrap()
    queue.start()
    time.sleep(2 * queue.TICK_SECONDS)  # the first round does what was never done
    statements, writes, took = _counted(seconds)
    queue.stop()
    print(
        f"{name}: {statements / seconds:.2f} statements a second, {writes / seconds:.2f} transactions that write,"
        f" {1000 * took / seconds:.2f} ms of waiting for the database"
    )


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


if __name__ == "__main__":
    main()
