"""The span of a request, put around the app only where traces are wanted."""

from collections.abc import Iterable
from typing import Any

from app.core import origin
from app.infra import tracing
from app.web.headers import Environ, Header, StartResponse, WsgiApp


class ServerSpan:
    """WSGI middleware inside of the request log: its line tells the trace that begins or goes on here."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request within its span."""
        with tracing.serving(origin.current(), environ.get("HTTP_TRACEPARENT", "")) as answered:

            def start(line: str, given: list[Header], *exc_info: object) -> Any:  # noqa: ANN401 -- PEP 3333
                answered(int(line[:3]))
                return start_response(line, given, *exc_info)

            return self._app(environ, start)
