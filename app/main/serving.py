"""Serves the application with Granian: WSGI on threads."""

import signal
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]  # Granian itself imports it so
from granian.server.mp import MPServer

from app.core.config import Settings
from app.features.auth import service as auth
from app.infra import db, draining, listening, logs, metrics
from app.infra.listening import Listener
from app.main import exporter, starting, stopping
from app.main.starting import RefusesToStart

_ROOT = Path(__file__).resolve().parents[2]
_LISTENS_SECONDS = 0.5
"""From the moment when Granian handles signals in a worker until it can hear them."""

_SHORT_LIFE_SECONDS, _PAUSE_SECONDS = 2.0, 1.0
"""Who did not live so long is followed after a pause, so that one that crashes at once does not take all the time."""


def serve(settings: Settings, *, reload: bool = False) -> None:
    """Prepare the database, say where to look, and serve until SIGINT or SIGTERM."""
    begin(settings)
    flag = draining.share()
    stopping.guard_forks()
    _Granian(
        settings,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.server_threads,
        backlog=listening.BACKLOG,
        http1_settings=HTTP1Settings(header_read_timeout=settings.keep_alive_seconds * 1000),
        websockets=False,
        backpressure=listening.CONNECTIONS,  # by itself, the backlog divided by the workers
        log_level=LogLevels.error,  # below, it greets and gives advice on threads
        log_dictconfig={"loggers": {"_granian": {"handlers": [], "propagate": True}}},  # its lines are JSON like ours
        workers_kill_timeout=settings.stop_seconds,
        respawn_failed_workers=True,
        working_dir=_ROOT,
        reload=reload,
        reload_paths=[_ROOT / "app"] if reload else None,
        reload_ignore_worker_failure=reload,  # code that is wrong for a moment is mended and loaded again
    ).serve(target_loader=partial(load, flag), wrap_loader=False)


def begin(settings: Settings) -> None:
    """Do, once, what comes before the workers of either server."""
    starting.prepare(settings)
    greet(settings)
    db.engine().dispose()  # the workers open their own
    metrics.clear(settings.metrics_dir)
    metrics.start(settings.metrics_dir)
    exporter.start(settings)


def load(flag: draining.Flag) -> Any:  # noqa: ANN401 -- Flask, for Granian
    """Return the application in a worker, which then also works off what is to be done beside requests."""
    draining.adopt(flag)
    stopping.obey_only_the_parent(partial(_stop, signal.getsignal(signal.SIGTERM)))
    app = import_module("wsgi").app
    starting.begin_beside()
    return app


class _Granian(MPServer):
    """Granian that drains before it stops, outlives its workers, and has them accept from one socket.

    By itself it gives each worker a socket, and what waits at one is lost with its worker.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:  # noqa: ANN401 -- Granian's
        super().__init__("wsgi:app", address=settings.host, port=settings.port, **options)
        self._drain = stopping.Drain(settings)
        self._told = False

    def _init_shared_socket(self) -> None:
        signal.signal(signal.SIGQUIT, self.signal_handler_interrupt)  # which Granian lets kill the parent alone
        self._listener = _listen(self.bind_addr, self.bind_port)
        # As Granian does where it shares a socket itself.
        shared = SocketHolder(self._listener.fileno(), False, self.backlog)  # type: ignore[call-arg]  # noqa: FBT003 -- stub
        self._sso: Any = self._listener
        self._shd: Any = shared
        self._ssp: Any = None

    def signal_handler_interrupt(self, *_: Any) -> None:  # noqa: ANN401 -- a signal and a frame
        self._drain.ask()
        if not self._told:
            self._told = True
            Thread(target=self._leave, name="drain", daemon=True).start()

    def _leave(self) -> None:
        """Drain, beside the loop in which Granian begins killed workers again, and have it stop."""
        self._drain.wait([self._listener])
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:  # noqa: ANN401 -- Granian's
        """Begin workers again, however often they are killed.

        By itself Granian ends, and every worker with it, when one is gone twice within seconds. That is right for one
        that ends by itself, which will do so again; not for one that somebody killed, be it for its memory.
        """
        old = [self.wrks[place] for place in workers]
        killed = [worker.idx for worker in old if (worker.inner.exitcode or 0) <= 0]
        if any(time.monotonic() - worker.birth < _SHORT_LIFE_SECONDS for worker in old):
            time.sleep(_PAUSE_SECONDS)
        super()._respawn_workers(workers, *arguments, **options)
        for place in killed:
            self.respawned_wrks.pop(place, None)
        if self.interrupt_children or self.interrupt_signal:  # what came just before Granian's loop forgot its event
            self.main_loop_interrupt.set()


def _listen(host: str, port: int) -> Listener:
    try:
        return listening.listen(host, port)
    except OSError as error:
        message = f"Cannot listen on {host}:{port}: {error.strerror}. Stop what does, or set HOST and PORT."
        raise RefusesToStart(f"Carboy refuses to start:\n  - {message}") from error


def _stop(inherited: Any) -> None:  # noqa: ANN401 -- a handler of a signal, in any of its forms
    """End this worker as Granian's own handler does, once that is there and heard."""
    while (handler := signal.getsignal(signal.SIGTERM)) is inherited:
        time.sleep(0.02)
    time.sleep(_LISTENS_SECONDS)
    handler(signal.SIGTERM, None)  # type: ignore[operator, misc]  # Granian's is a function


def greet(settings: Settings) -> None:
    """Say where to look."""
    world = "PostgreSQL" if db.is_postgres() else "SQLite"
    logs.say(f"\n  {settings.service_name.capitalize()} on {settings.base_url}   ({world}, {settings.environment})")
    logs.say(f"  API reference     {settings.base_url}/docs")
    with db.unit_of_work():
        code = None if settings.production else auth.make_setup_code()
    if code:
        logs.say(f"  First administrator, once:  {settings.base_url}/setup?code={code}")
    logs.say("  Ctrl-C stops.\n")
