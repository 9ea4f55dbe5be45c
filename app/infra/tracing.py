"""Traces (OpenTelemetry | nothing): what a request did, where its time went, and which job it left behind.

Off, which is the default, no module of OpenTelemetry is imported, and requests pass no line of this.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from app.core.config import Settings
from app.core.origin import Carried, Origin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.infra.spans import Spans

_spans: "Spans | None" = None


def connect(settings: Settings) -> None:
    """Trace from now on, or no more. Opens no connection, starts no thread: nothing leaves before ``start``."""
    global _spans  # noqa: PLW0603 -- one tracer for each process, known before its neighbours are
    if _spans is not None:
        _spans.stop()
    _spans = None
    if settings.otel_exporter_otlp_endpoint:
        from app.infra.spans import Spans  # noqa: PLC0415 -- OpenTelemetry costs 6 MB and 70 ms

        _spans = Spans(settings)


def is_on() -> bool:
    """Tell whether anything is traced."""
    return _spans is not None


def start() -> None:
    """Begin to send spans from this process, which serves or works; done twice, it is done once."""
    if _spans is not None:
        _spans.start()


def stop() -> None:
    """Send what is left, for a few seconds at most."""
    if _spans is not None:
        _spans.stop()


def watch_database(engine: "Engine") -> None:
    """Have a span for each statement that goes through SQLAlchemy."""
    if _spans is not None:
        _spans.watch_database(engine)


def watch_redis(client: Any) -> None:  # noqa: ANN401 -- redis.Redis, whose stubs say little
    """Have a span for each command of a client."""
    if _spans is not None:
        _spans.watch_redis(client)


def serving(source: Origin, traceparent: str) -> AbstractContextManager[Callable[[int], None]]:
    """Span the answer to a request, which is told its status; continue the caller's trace (W3C), or begin one."""
    return nullcontext(_unheard) if _spans is None else _spans.serving(source, traceparent)


def statement(dialect: str, sql: str) -> AbstractContextManager[object]:
    """Span a statement that goes past SQLAlchemy, straight to the driver."""
    return nullcontext() if _spans is None else _spans.statement(dialect, sql)


def publishing(task: str, carried: Carried) -> AbstractContextManager[object]:
    """Span the sending of a message, and let the message carry that span."""
    return nullcontext() if _spans is None else _spans.publishing(task, carried)


def working(task: str, source: Origin) -> AbstractContextManager[object]:
    """Span a task, as a part of the trace that asked for it."""
    return nullcontext() if _spans is None else _spans.working(task, source)


def _unheard(_status: int) -> None:
    """Nobody asks for the status."""
