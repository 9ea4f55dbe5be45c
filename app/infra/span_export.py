"""Where spans go: to a receiver that speaks OTLP over HTTP, without what nobody outside may read."""

import logging
import re
import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.re import parse_env_headers

from app.core.config import Settings

log = logging.getLogger(__name__)

_SECONDS = 3.0
_COMPLAINS_EVERY_SECONDS = 60.0

_TOLD = frozenset(
    {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "http.response.header.x-request-id",
        "error.type",
        "db.system.name",
        "db.namespace",
        "db.operation.name",
        "db.query.text",
        "db.redis.args_length",
        "db.redis.pipeline_length",
        "server.address",
        "server.port",
        "network.transport",
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
    }
)
"""The attributes that leave this process; those that a library adds one day do not."""

_STATEMENT = "db.query.text"
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")


class Discreet(SpanExporter):
    """Sends spans without the texts of exceptions, and says at most once a minute that they are not taken."""

    def __init__(self, settings: Settings) -> None:
        for talker in ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal"):  # a line for each batch
            logging.getLogger(talker).setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(
            endpoint=f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces",
            headers=parse_env_headers(settings.otel_exporter_otlp_headers, liberal=True),
            timeout=_SECONDS,
            compression=Compression.Gzip,
        )
        self._lost = 0
        self._silent_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send these; those that are not taken are lost."""
        result = self._exporter.export([_without_secrets(span) for span in spans])
        if result is not SpanExportResult.SUCCESS:
            self._complain(len(spans))
        return result

    def shutdown(self) -> None:
        """Try no more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # it has no types

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Do nothing: each batch is sent at once."""
        return self._exporter.force_flush(timeout_millis)

    def _complain(self, lost: int) -> None:
        self._lost += lost
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _COMPLAINS_EVERY_SECONDS
            log.warning("the receiver of traces does not take them; they are lost", extra={"spans": self._lost})
            self._lost = 0


def _without_secrets(span: ReadableSpan) -> ReadableSpan:
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in _TOLD}
    if _STATEMENT in attributes:
        attributes[_STATEMENT] = _LITERAL.sub("?", str(attributes[_STATEMENT]))
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        attributes,
        [_named(event) for event in span.events],
        span.links,
        span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _named(event: Event) -> Event:
    """Keep the kind of an exception; its text and its stack stand in the log."""
    kind = (event.attributes or {}).get("exception.type")
    return Event(event.name, {"exception.type": kind} if kind else {}, event.timestamp)
