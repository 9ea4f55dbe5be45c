"""What happens between assembly and the first request: migrate, bootstrap, or refuse and say what to do."""

import os

from sqlalchemy import text

from app.core.config import Settings
from app.core.errors import Failure
from app.infra import db, migrations, queue, reporting, retired, tracing, watch
from app.main import features

RESERVED_CONNECTIONS = 10
"""Kept free of PostgreSQL's max_connections, for operators and migrations."""


_OF_A_CELERY_PROCESS = 2
"""A task's own, and one for what it stores apart."""


class RefusesToStart(SystemExit):
    """The service would not be right; the message says what to do. Printed to stderr, exit code 1."""


def prepare(settings: Settings) -> None:
    """Bring the database to where this code can work with it, or raise RefusesToStart."""
    try:
        retired.refuse()
        if settings.migrates:
            _migrate()
        if migrations.are_pending():
            message = "Migrations are pending. Run 'flask db upgrade', or set MIGRATE_ON_START=1."
            raise RefusesToStart(f"Carboy refuses to start:\n  - {message}")
        _check_connection_budget(settings)
        bootstrap()
    except (retired.WasMoved, migrations.Blocked) as failure:
        raise RefusesToStart(f"Carboy refuses to start:\n  - {failure}") from failure
    except Failure as failure:
        message = "The database does not answer. Check DATABASE_URL, and that the server runs."
        raise RefusesToStart(f"Carboy refuses to start:\n  - {message} ({failure.code})") from failure


def _migrate() -> None:
    try:
        migrations.upgrade()
    except Failure:
        raise
    except Exception as error:  # whatever is wrong with it
        kind = type(getattr(error, "orig", None) or error).__name__
        message = (
            f"The migration after {migrations.current() or 'nothing'} failed ({kind}) and was taken back; those before"
            " it stay. 'flask db upgrade' shows all of it. Mend it, or start the release before this one."
        )
        raise RefusesToStart(f"Carboy refuses to start:\n  - {message}") from error


def bootstrap() -> None:
    """Make the rows that nothing works without, one instance at a time."""
    with migrations.alone(), db.unit_of_work():
        features.bootstrap()


def begin_beside() -> None:
    """Begin, in a process that serves, what it does beside requests."""
    for neighbour in (queue, tracing, reporting, watch):
        neighbour.start()


def _check_connection_budget(settings: Settings) -> None:
    if not db.is_postgres():
        return
    with db.engine().connect() as connection:
        most = int(connection.execute(text("SHOW max_connections")).scalar_one())
    wanted = _wanted_connections(settings)
    if wanted > most - RESERVED_CONNECTIONS:
        others = wanted - settings.replicas * settings.workers * _of_a_worker(settings)
        each = "(DATABASE_POOL_SIZE + 1)" if settings.replica else "DATABASE_POOL_SIZE"
        message = (
            f"REPLICAS × WORKERS × {each}{f' (and {others} of Celery and metrics)' if others else ''} is"
            f" {wanted} connections, and PostgreSQL allows {most}, of which {RESERVED_CONNECTIONS} stay free. Lower"
            " them, raise max_connections, or put PgBouncer between."
        )
        raise RefusesToStart(f"Carboy refuses to start:\n  - {message}")


def _wanted_connections(settings: Settings) -> int:
    """Count the connections that all processes of all instances may hold at once."""
    wanted = settings.replicas * settings.workers * _of_a_worker(settings)
    if settings.metrics_port:
        wanted += settings.replicas  # the process that serves the metrics asks for figures one at a time
    if settings.celery_broker_url:
        processes = settings.celery_processes or os.cpu_count() or 1
        wanted += processes * _OF_A_CELERY_PROCESS
    return wanted


def _of_a_worker(settings: Settings) -> int:
    """Count the connections of a worker: its pool, and with a replica one by which it asks how far the database is."""
    return settings.pool_size + bool(settings.replica)
