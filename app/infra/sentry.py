"""Sentry's client. Imported only where a DSN is set."""

import logging
from collections.abc import Mapping
from typing import Any

from sentry_sdk import Client
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from app.core.config import Settings
from app.core.origin import Origin
from app.core.version import VERSION

_FLUSH_SECONDS = 2.0

_EVENT = ("event_id", "timestamp", "platform", "level", "release", "environment", "sdk", "tags", "transaction")
_EXCEPTION = ("type", "module", "mechanism")
_FRAME = ("filename", "function", "module", "lineno", "pre_context", "context_line", "post_context", "in_app")
"""What leaves this process; what the library adds one day does not."""


class Sentry:
    """Where failures are told. None of the library's integrations is on: they wrap Flask, and collect too much."""

    def __init__(self, settings: Settings) -> None:
        logging.getLogger("sentry_sdk").setLevel(logging.CRITICAL)  # a line for each event that it cannot send
        self.ends_with: int | None = None
        self._client = Client(
            dsn=settings.sentry_dsn,
            environment=settings.environment,
            release=f"{settings.service_name}@{VERSION}",
            server_name="",
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            enable_metrics=False,
            send_client_reports=False,
            # send_default_pii stays unset, which means no: setting it is deprecated, and warns.
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            shutdown_timeout=int(_FLUSH_SECONDS),
            before_send=_only_what_is_told,
        )

    def report(self, error: BaseException, source: Origin, task: str | None) -> None:
        """Hand an exception to the thread that sends; its queue holds a hundred."""
        event, hint = event_from_exception(error, client_options=self._client.options)
        event["tags"] = _known(
            request_id=source.request_id, trace_id=source.trace_id, method=source.method, route=source.route, task=task
        )
        event["transaction"] = task or source.route or "unmatched"
        self._client.capture_event(event, hint)

    def flush(self) -> None:
        """Wait a moment for what is left to be sent."""
        self._client.flush(_FLUSH_SECONDS)


def _known(**tags: str | None) -> dict[str, str]:
    return {name: value for name, value in tags.items() if value is not None}


def _only_what_is_told(event: Event, _hint: Hint) -> Event:
    """Rebuild an event from what it may say: no texts of exceptions, no variables, nothing of who asked for what."""
    told: Any = _picked(event, _EVENT)
    exceptions = (event.get("exception") or {}).get("values", [])
    told["exception"] = {"values": [_exception(one) for one in exceptions]}
    return told  # type: ignore[no-any-return]  # a TypedDict, of which this is a part


def _exception(given: Mapping[str, Any]) -> dict[str, Any]:
    frames = (given.get("stacktrace") or {}).get("frames", [])
    return _picked(given, _EXCEPTION) | {"stacktrace": {"frames": [_picked(frame, _FRAME) for frame in frames]}}


def _picked(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}
