"""Serves the application with Gunicorn: threads in workers that it forks. ``gunicorn.conf.py`` is made of this."""

import signal
import time
from functools import partial
from multiprocessing import process
from threading import Thread
from typing import Any

from flask import Flask
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]  # it has no types
from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it has no types
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]  # it has no types

from app.core import config
from app.core.config import Settings
from app.infra import db, draining, listening, logs, queue
from app.main import serving, starting, stopping
from app.main.factory import create_app
from app.main.starting import RefusesToStart

_LEAVES_SECONDS = 1.0
"""From the moment when workers are told to stop until all have turned from the port."""

_app: Flask


def settings() -> Settings:
    """Read the settings, or refuse in words."""
    try:
        return config.load()
    except config.UnsafeSettings as error:
        raise RefusesToStart(str(error)) from None


def on_starting(_server: Arbiter) -> None:
    """Assemble and prepare, once for all workers, before anybody can connect."""
    global _app  # noqa: PLW0603 -- the workers are forked with it
    chosen = settings()
    _app = create_app(chosen)
    serving.begin(chosen)
    draining.share()
    stopping.guard_forks()


def when_ready(server: Arbiter) -> None:
    """Drain before stopping; SIGINT stops as gently as SIGTERM."""
    drain = stopping.Drain(settings())
    told: list[int] = []

    def stop(*_: Any) -> None:  # noqa: ANN401 -- a signal and a frame
        drain.ask()
        if not told:
            told.append(signal.SIGTERM)
            Thread(target=_drain, args=(drain, server), name="drain").start()

    for number in stopping.STOPS:
        signal.signal(number, stop)


def _drain(drain: stopping.Drain, server: Arbiter) -> None:
    listeners = [listener.sock.dup() for listener in server.LISTENERS]
    drain.wait(listeners)
    server.signal(signal.SIGTERM, None)  # which it then handles in its own time
    time.sleep(_LEAVES_SECONDS)
    for listener in listeners:  # workers keep it open while they finish, and whoever connects would wait in vain
        listening.shut(listener)


def load() -> Flask:
    """Return the application in a worker, which then also works off what is to be done beside requests."""
    starting.begin_beside()
    return _app


def post_fork(_server: Arbiter, _worker: ThreadWorker) -> None:
    """Leave connections, and the process that serves the metrics, to the parent."""
    process._children.clear()  # type: ignore[attr-defined]  # noqa: SLF001 -- else what the parent began ends with the first worker
    db.engine().dispose(close=False)


def post_worker_init(worker: ThreadWorker) -> None:
    """Begin to hear the parent, now that the worker can act on it; give no thread to a silent connection."""
    TConn.wait_for_data = _has_data
    stopping.obey_only_the_parent(partial(_stop, worker))


def _stop(worker: ThreadWorker) -> None:
    """Have a worker finish; who never sent anything is not waited for, as Gunicorn does for all of a keep-alive."""
    worker.handle_exit(signal.SIGTERM, None)
    for connection in tuple(worker.pending_conns):
        connection.timeout = min(connection.timeout, time.monotonic() + _LEAVES_SECONDS)


_waits_for_data = TConn.wait_for_data


def _has_data(connection: TConn, _seconds: float) -> Any:  # noqa: ANN401 -- Gunicorn's, without types
    """Tell whether a new connection has sent anything yet.

    Gunicorn lets a thread wait five seconds for that, so that a few hundred silent connections would stop everything;
    one that has not goes to its poller, as those do that are kept.
    """
    return _waits_for_data(connection, 0)


def pre_request(_worker: ThreadWorker, request: Any) -> None:  # noqa: ANN401 -- Gunicorn's, without types
    """End a kept connection with this answer while draining: Gunicorn lets no application say so."""
    if draining.is_on():
        request.must_close = True


def worker_exit(_server: Arbiter, _worker: ThreadWorker) -> None:
    """Let the task at hand come to its end."""
    queue.stop()


class JsonLogger(Logger):  # type: ignore[misc]  # as above
    """Hands Gunicorn's lines to ours, which are JSON."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 -- as above
        """Set its levels, and leave the writing to us."""
        super().setup(cfg)
        logs.connect(settings())
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True
