"""Security headers (OWASP Secure Headers) of every answer, and CORS for the origins that are named."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from app.core.config import Settings

Environ = dict[str, Any]
Header = tuple[str, str]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
_EXPOSED = (
    "ETag, Location, Retry-After, X-Request-ID, RateLimit, RateLimit-Policy,"
    " X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)


_added: ContextVar[list[Header] | None] = ContextVar("added", default=None)


def collect() -> list[Header]:
    """Begin a request: return the list in which ``add`` puts the headers of whatever is answered."""
    added: list[Header] = []
    _added.set(added)
    return added


def add(*headers: Header) -> None:
    """Add headers to the answer of the present request, whether it succeeds or fails."""
    added = _added.get()
    if added is not None:
        added.extend(headers)


def common(settings: Settings) -> list[Header]:
    """Return the headers that every answer carries."""
    found = [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ("X-XSS-Protection", "0"),
        ("Server", settings.service_name),
    ]
    return [*found, _STRICT_TRANSPORT] if settings.https else found


class Cors:
    """Answers preflights and lets the named origins read answers; exact matches, never with credentials.

    Installed only when ALLOWED_ORIGINS names some.
    """

    def __init__(self, app: WsgiApp, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Add what the origin of this request may see."""
        origin = environ.get("HTTP_ORIGIN", "")
        granted = [("Vary", "Origin")]
        if origin in self._origins or (origin and "*" in self._origins):
            granted += [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", _EXPOSED)]
            if environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
                start_response("204 No Content", [*granted, *_PREFLIGHT])
                return []

        def start(status: str, headers: list[Header], *exc_info: object) -> Any:  # noqa: ANN401 -- PEP 3333
            return start_response(status, [*headers, *granted], *exc_info)

        return self._app(environ, start)


_PREFLIGHT = [
    ("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Content-Type, If-Match, Idempotency-Key, X-API-Key, X-Request-ID, traceparent",
    ),
    ("Access-Control-Max-Age", "600"),
]
