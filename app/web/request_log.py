"""The one thin layer around the app: request id, who sends it, headers, access line. 5 µs where extensions take 188."""

import logging
import re
import time
from collections.abc import Iterable
from typing import Any

import orjson

from app.core import origin
from app.core.config import Settings
from app.core.ids import uuid7_text
from app.core.network import canonical, client_of
from app.infra import draining, levels, logs, metrics, reporting
from app.web import headers, schemas
from app.web.errors import MEANINGS
from app.web.headers import Environ, Header, StartResponse, WsgiApp

log = logging.getLogger(__name__)
access = logging.getLogger("access")

_REFUSED = frozenset({401, 403, 429})
_NAMES = {logging.INFO: "INFO", logging.WARNING: "WARNING", logging.ERROR: "ERROR"}

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_USER_AGENT_LENGTH = 256
_STATIC = "/static/<path:filename>"


class RequestLog:
    """WSGI middleware: begins the origin of a request, completes its headers, writes its line."""

    def __init__(self, app: WsgiApp, settings: Settings) -> None:
        self._app = app
        self._common = [(name.lower(), (name, value)) for name, value in headers.common(settings)]
        self._proxies = settings.proxies
        self._warned = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; what even Flask could not handle is a 500 in our form."""
        started = time.perf_counter()
        source = self._origin(environ)
        token = origin.begin(source)
        added = headers.collect()
        status = 500

        def start(line: str, given: list[Header], *exc_info: object) -> Any:  # noqa: ANN401 -- PEP 3333
            nonlocal status
            status = int(line[:3])
            return start_response(line, self._complete(given, added, source.request_id), *exc_info)

        try:
            return self._app(environ, start)
        except Exception as error:
            log.exception("unhandled outside of the app")
            reporting.unforeseen(error)
            return _apologise(start)
        finally:
            seconds = time.perf_counter() - started
            metrics.request(source.method, source.route or (_STATIC if status < 400 else None), status, seconds)  # noqa: PLR2004 -- HTTP
            _tell(status, seconds)
            origin.end(token)

    def _origin(self, environ: Environ) -> origin.Origin:
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        trace = _TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
        return origin.Origin(
            request_id=sent if _REQUEST_ID.fullmatch(sent) else uuid7_text(),
            trace_id=trace[1] if trace else None,
            ip=self._client(environ),
            user_agent=environ.get("HTTP_USER_AGENT", "")[:_USER_AGENT_LENGTH] or None,
            method=environ["REQUEST_METHOD"],
        )

    def _client(self, environ: Environ) -> str:
        peer = environ.get("REMOTE_ADDR", "")
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        if not forwarded:
            return canonical(peer)
        client = client_of(peer, forwarded, self._proxies)
        if client == canonical(peer) and not self._warned:
            self._warned = True
            log.warning("X-Forwarded-For from an address that TRUSTED_PROXIES does not name; it is ignored")
        return client

    def _complete(self, given: list[Header], added: list[Header], request_id: str) -> list[Header]:
        names = {name.lower(): value for name, value in given}
        is_page = names.get("content-type", "").startswith("text/html")
        complete = [*given, *added, ("X-Request-ID", request_id)]
        complete += [header for name, header in self._common if name not in names]
        complete.append(("Content-Security-Policy", headers.PAGE_POLICY if is_page else headers.API_POLICY))
        if "cache-control" not in names:
            complete.append(("Cache-Control", "no-store"))
        if draining.is_on():
            complete.append(("Connection", "close"))  # what is kept alive must not meet a closed door
        return complete


def _tell(status: int, seconds: float) -> None:
    level = logging.ERROR if status >= 500 else logging.WARNING if status in _REFUSED else logging.INFO  # noqa: PLR2004 -- HTTP
    if levels.lets_through(access, level):
        milliseconds = round(seconds * 1000, 3)
        logs.emit(_NAMES[level], "access", "request", status=status, execution_time_ms=milliseconds)


def _apologise(start: StartResponse) -> list[bytes]:
    code, message = MEANINGS[500]
    error = {"code": code, "message": message, "details": {}}
    body = orjson.dumps({"status": "error", "error": error, "metadata": schemas.metadata()})
    start(
        "500 Internal Server Error",
        [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
    )
    return [body]
