"""Celery: the messages of this process, and the application that workers and beat serve."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery, signals  # type: ignore[import-untyped]  # it has no types
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES

from app.core.config import Settings
from app.core.origin import Carried
from app.infra import db, logs, reporting, seldom, tracing, watch

log = logging.getLogger(__name__)

_QUEUE, _TICKS = "carboy", "carboy.ticks"

_CONSUMER, _REDIS = "app.infra.nonsense:Tolerant", "app.infra.redis_broker:Transport"
"""Of Celery and kombu, but they outlive what need not end a worker."""

_SECONDS = 1.0
"""How long a request waits for the broker before it goes on without."""

_REST_SECONDS = 30.0


class Broker:
    """Where messages go. A broker that is away costs one wait and one line of the log, then is left alone a while."""

    def __init__(self, settings: Settings, *, tick: tuple[str, float]) -> None:
        self._settings = settings
        self._tick = tick
        self._rests_until = 0.0
        self._celery = Celery("carboy", broker=settings.celery_broker_url, set_as_current=False)
        self._celery.conf.update(
            task_default_queue=_QUEUE,
            # A queue of its own, so that the time is told however much work waits in the other.
            task_queues=[Queue(name) for name in (_QUEUE, _TICKS)],  # type: ignore[no-untyped-call]  # as above
            task_routes={tick[0]: {"queue": _TICKS}},
            task_ignore_result=True,
            task_publish_retry=False,
            broker_connection_timeout=_SECONDS,
            broker_transport_options=_impatience(settings.celery_broker_url),
        )

    def send(self, name: str, carried: Carried) -> None:
        """Leave a message. None that is lost matters: the timetable looks after what it was about."""
        if time.monotonic() < self._rests_until:
            return
        try:
            with tracing.publishing(name, carried):
                self._celery.send_task(name, args=[carried], expires=3600)
        except (OperationalError, OSError) as error:
            self._rests_until = time.monotonic() + _REST_SECONDS
            seldom.warn(log, "the broker does not answer; work waits for the timetable", error=_kind(error))

    def ping(self) -> None:
        """Ask for an answer, or raise; one that comes ends the rest."""
        with self._celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=_SECONDS)
        self._rests_until = 0.0

    def serving(
        self,
        tasks: Mapping[str, object],
        perform: Callable[[str, Carried | None], object],
        when_working: Callable[[], object] = lambda: None,
    ) -> Celery:
        """Return the application for ``celery worker`` and ``celery beat``; a worker tells when it begins."""
        tick, seconds = self._tick
        TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), _REDIS))
        self._celery.conf.update(
            broker_transport_options={},
            broker_connection_timeout=4,
            broker_connection_max_retries=None,  # Celery's hundred are over after an hour, and the worker with them
            broker_connection_retry_on_startup=True,
            # Beat keeps one connection. Without another try it would go on with the one that RabbitMQ has long closed.
            task_publish_retry=True,
            task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0},
            task_acks_late=True,
            worker_prefetch_multiplier=1,
            worker_consumer=_CONSUMER,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            # One entry, every few seconds: there is nothing to remember in a file, which a full disk would not let be.
            beat_scheduler="celery.beat:Scheduler",
            # A tick that nobody took is over when the next one comes: a worker that returns finds no heap of them.
            beat_schedule={"tick": {"task": tick, "schedule": seconds, "options": {"expires": seconds}}},
        )
        for name in tasks:
            self._celery.task(name=name)(_performing(perform, name))
        signals.worker_init.connect(lambda **_: when_working(), weak=False)
        signals.setup_logging.connect(self._log_as_we_do, weak=False)
        signals.worker_process_init.connect(_leave_connections_to_the_parent, weak=False)
        signals.worker_process_init.connect(_begin, weak=False)
        signals.worker_process_shutdown.connect(_end, weak=False)
        return self._celery

    def _log_as_we_do(self, **_: Any) -> None:  # noqa: ANN401 -- Celery's protocol
        logs.connect(self._settings)
        for chatty in (
            "celery.worker.strategy",
            "celery.worker.request",
            "celery.app.trace",
            "celery.beat",
        ):  # a line for each message
            logging.getLogger(chatty).setLevel(logging.WARNING)


def _performing(perform: Callable[[str, Carried | None], object], name: str) -> Callable[..., None]:
    def run(carried: Carried | None = None) -> None:
        watch.start()  # here, because the processes that work are forked from one that does not
        perform(name, carried)

    return run


def _impatience(url: str) -> dict[str, float]:
    """Return options of a transport: to try once more and at once. Redis has time limits of its own."""
    once_more = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    limits = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS} if url.startswith("redis") else {}
    return once_more | limits


def _leave_connections_to_the_parent(**_: Any) -> None:  # noqa: ANN401 -- Celery's protocol
    db.engine().dispose(close=False)


def _begin(**_: Any) -> None:  # noqa: ANN401 -- Celery's protocol
    tracing.start()
    reporting.start()


def _end(**_: Any) -> None:  # noqa: ANN401 -- Celery's protocol
    """Send what the children of a pool, which know no atexit, have left."""
    tracing.stop()
    reporting.stop()


def _kind(error: BaseException) -> str:
    return type(error.__cause__ or error).__name__
