"""OpenTelemetry: the spans of this process. Imported only where traces are wanted."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import util
from threading import Thread
from typing import Any

from opentelemetry.context import Context
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from app.core import config
from app.core.config import Settings
from app.core.origin import Carried, Origin
from app.core.version import VERSION
from app.infra.span_export import Discreet

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAILURE = 500

_QUEUE, _BATCH, _EVERY_MILLISECONDS = 2048, 512, 1000
_END_SECONDS = 3.0
"""How long a process that ends waits for the receiver to take what is left."""

_LONGEST = 4096
_w3c = TraceContextTextMapPropagator()


class Spans:
    """What is traced, and where it goes. Spans that end before ``start`` go nowhere."""

    def __init__(self, settings: Settings) -> None:
        config.publish("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")  # names that will not change any more
        self._settings = settings
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(settings.otel_traces_sampler_arg),
            resource=_resource(settings),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_attribute_length=_LONGEST),
        )
        self._tracer = self._provider.get_tracer("carboy", VERSION)
        self._sender: int | None = None
        """The process that sends: a thread does not outlive a fork."""

    def start(self) -> None:
        """Begin to send. It ends before its process does, be that one of its own or a forked worker."""
        if self._sender == os.getpid():
            return
        self._sender = os.getpid()
        self._provider.add_span_processor(
            BatchSpanProcessor(
                Discreet(self._settings),
                max_queue_size=_QUEUE,
                max_export_batch_size=_BATCH,
                schedule_delay_millis=_EVERY_MILLISECONDS,
            )
        )
        util.Finalize(None, self.stop, exitpriority=50)  # after the background thread, whose spans it sends

    def stop(self) -> None:
        """Send what is left. A receiver that does not take it in time is not waited for."""
        if self._sender == os.getpid():
            self._sender = None
            ending = Thread(target=self._provider.shutdown, daemon=True)
            ending.start()
            ending.join(_END_SECONDS)

    def watch_database(self, engine: Engine) -> None:
        """Have a span for each statement. OpenTelemetry's own package for this does not take SQLAlchemy 2.1."""

        def begin(connection: Connection, _cursor: object, sql: str, *_: object) -> None:
            connection.info["span"] = self._tracer.start_span(
                _operation(sql), kind=SpanKind.CLIENT, attributes=_query(engine.dialect.name, sql)
            )

        def end(connection: Connection, *_: object) -> None:
            connection.info.pop("span").end()

        def fail(context: ExceptionContext) -> None:
            span = context.connection.info.pop("span", None) if context.connection is not None else None
            if span is not None:
                _failed(span, context.original_exception)
                span.end()

        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
        event.listen(engine, "handle_error", fail)

    def watch_redis(self, client: Any) -> None:  # noqa: ANN401 -- as in tracing
        """Have a span for each command of this client, and for none of Celery's own."""
        RedisInstrumentor.instrument_client(client, tracer_provider=self._provider)

    @contextmanager
    def serving(self, source: Origin, traceparent: str) -> Iterator[Callable[[int], None]]:
        """Span a request; see tracing."""
        method = source.method if source.method in _METHODS else None
        with self._span(method or "HTTP", SpanKind.SERVER, _parent(traceparent)) as span:
            _hand_on(span, source)
            try:
                yield lambda status: _answered(span, status)
            except Exception:
                _answered(span, _FAILURE)
                raise
            finally:
                _describe(span, method, source)

    @contextmanager
    def statement(self, dialect: str, sql: str) -> Iterator[None]:
        """Span a statement; see tracing."""
        with self._span(_operation(sql), SpanKind.CLIENT, attributes=_query(dialect, sql)):
            yield

    @contextmanager
    def publishing(self, task: str, carried: Carried) -> Iterator[None]:
        """Span a message; see tracing."""
        with self._span(f"send {task}", SpanKind.PRODUCER, attributes=_messaging("send", task)) as span:
            carried["traceparent"] = _written(span)
            yield

    @contextmanager
    def working(self, task: str, source: Origin) -> Iterator[None]:
        """Span a task; see tracing."""
        parent = _parent(source.traceparent or "")
        with self._span(f"process {task}", SpanKind.CONSUMER, parent, _messaging("process", task)) as span:
            _hand_on(span, source)
            yield

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, parent: Context | None = None, attributes: Mapping[str, str] | None = None
    ) -> Iterator[Span]:
        """Span what is done inside; of an exception, whose text may hold anything, the kind is told alone."""
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                _failed(span, error)
                raise


def _resource(settings: Settings) -> Resource:
    return Resource.create(
        {
            "service.name": settings.service_name,
            "service.version": VERSION,
            "deployment.environment.name": settings.environment,
        }
    )


def _parent(traceparent: str) -> Context:
    """Return where a trace goes on: after the caller's span, or nowhere. ``tracestate`` may hold anything: left out."""
    return _w3c.extract({"traceparent": traceparent}, context=Context())


def _hand_on(span: Span, source: Origin) -> None:
    """Let log lines tell the trace, and jobs continue it."""
    source.traceparent = _written(span)
    source.trace_id = format(span.get_span_context().trace_id, "032x")


def _written(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _failed(span: Span, error: BaseException) -> None:
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", type(error).__name__)


def _answered(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= _FAILURE:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", str(status))


def _describe(span: Span, method: str | None, source: Origin) -> None:
    """Name a request after its route, which is known once it was found. The path that was typed is told nobody."""
    span.set_attribute("http.request.method", method or "_OTHER")
    span.set_attribute("http.response.header.x-request-id", (source.request_id,))
    if source.route:
        span.set_attribute("http.route", source.route)
        span.update_name(f"{method or 'HTTP'} {source.route}")


def _operation(sql: str) -> str:
    return sql.split(maxsplit=1)[0]


def _query(dialect: str, sql: str) -> dict[str, str]:
    """Describe a statement; ``postgresql`` and ``sqlite`` are OpenTelemetry's names as well."""
    return {"db.system.name": dialect, "db.operation.name": _operation(sql), "db.query.text": sql}


def _messaging(operation: str, task: str) -> dict[str, str]:
    return {
        "messaging.system": "celery",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": task,
    }
