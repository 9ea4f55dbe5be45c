"""Serves the application with Granian: WSGI on threads."""

import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from app.core.config import Settings
from app.features.auth import service as auth
from app.infra import db, logs, metrics, queue, reporting, tracing, watch
from app.main import exporter, starting

_ROOT = Path(__file__).resolve().parents[2]
_DRAIN_SECONDS = 30


def serve(settings: Settings, *, reload: bool = False) -> None:
    """Prepare the database, say where to look, and serve until SIGINT or SIGTERM."""
    starting.prepare(settings)
    _greet(settings)
    db.engine().dispose()  # the workers open their own
    metrics.clear(settings.metrics_dir)
    metrics.start(settings.metrics_dir)
    exporter.start(settings)
    os.register_at_fork(after_in_child=_end_when_told)
    Server(
        "wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.server_threads,
        websockets=False,
        log_level=LogLevels.error,  # below, it greets and gives advice on threads
        log_dictconfig={"loggers": {"_granian": {"handlers": [], "propagate": True}}},  # its lines are JSON like ours
        workers_kill_timeout=_DRAIN_SECONDS,
        respawn_failed_workers=True,
        working_dir=_ROOT,
        reload=reload,
        reload_paths=[_ROOT / "app"] if reload else None,
        reload_ignore_worker_failure=reload,  # code that is wrong for a moment is mended and loaded again
    ).serve(target_loader=load, wrap_loader=False)


def load() -> Any:  # noqa: ANN401 -- Flask, for Granian
    """Return the application in a worker, which then also works off what is to be done beside requests."""
    app = import_module("wsgi").app
    queue.start()
    tracing.start()
    reporting.start()
    watch.start()
    return app


def _end_when_told() -> None:
    """Let a worker that is told to stop while it still loads end, where the handlers of its parent ignore that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _greet(settings: Settings) -> None:
    world = "PostgreSQL" if db.is_postgres() else "SQLite"
    logs.say(f"\n  {settings.service_name.capitalize()} on {settings.base_url}   ({world}, {settings.environment})")
    logs.say(f"  API reference     {settings.base_url}/docs")
    with db.unit_of_work():
        code = None if settings.production else auth.make_setup_code()
    if code:
        logs.say(f"  First administrator, once:  {settings.base_url}/setup?code={code}")
    logs.say("  Ctrl-C stops.\n")
