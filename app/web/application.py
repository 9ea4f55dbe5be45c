"""Flask with its settings, and what happens around each view: limit, identify, authorise, read, one unit, shape."""

from collections.abc import Callable
from functools import partialmethod, wraps
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response
from werkzeug.routing import BaseConverter

from app.core import origin
from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import Unauthenticated, Unavailable
from app.core.ids import BIGGEST
from app.infra import db
from app.web import caller as callers
from app.web import errors, headers, limits, paging, schemas, versions
from app.web.declaration import Access, Declaration, V, View, of
from app.web.request_log import RequestLog

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = "application/json"
_ROOT = Path(__file__).parent
_STATIC_SECONDS = 3600
_NOBODYS = -1


class UndeclaredAccess(Exception):
    """A route that does not say who may call it. Nothing starts until it does."""


class Id(BaseConverter):
    """A 64-bit id in a path; anything else is not found."""

    regex = "[0-9]+"
    part_isolating = True

    def to_python(self, value: str) -> int:
        """Return the number; one beyond 64 bits is nobody's, so it becomes one that is never given."""
        fits = len(value) <= len(str(BIGGEST)) and int(value) <= BIGGEST
        return int(value) if fits else _NOBODYS


class Routes(Blueprint):
    """A blueprint whose views declare and return what services return; each runs as ``perform`` says."""

    def on(self, method: str, rule: str, endpoint: str | None = None) -> Callable[[V], V]:
        """Route to a view, or raise UndeclaredAccess. The declarations stand below this decorator."""

        def register(view: V) -> V:
            if of(view).access is None:
                message = f"{rule}: declare @requires(…), @authenticated or @public on {view.__name__}"
                raise UndeclaredAccess(message)
            self.add_url_rule(
                rule,
                endpoint or view.__name__,
                perform(view, rule),
                provide_automatic_options=False,
                methods=[method],
            )
            return view

        return register

    get = partialmethod(on, "GET")
    post = partialmethod(on, "POST")
    put = partialmethod(on, "PUT")
    patch = partialmethod(on, "PATCH")
    delete = partialmethod(on, "DELETE")


def make(settings: Settings) -> Flask:
    """Return the empty application: converters, failures, and the layer around it."""
    app = Flask(
        settings.service_name,
        root_path=str(_ROOT),
        static_folder=str(_ROOT / "static"),
        template_folder=str(_ROOT / "templates"),
    )
    app.debug = settings.debug
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = _STATIC_SECONDS
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = Id
    app.jinja_env.globals["service"] = settings.service_name
    errors.install(app)
    limits.connect(settings)
    versions.connect(settings)
    if settings.allowed_origins:
        app.wsgi_app = headers.Cors(app.wsgi_app, settings.allowed_origins)  # type: ignore[method-assign]
    # Flask's documented way to wrap the application.
    app.wsgi_app = RequestLog(app.wsgi_app, settings)  # type: ignore[method-assign]
    return app


def perform(view: View, rule: str) -> Callable[..., Response]:
    """Return what runs for each request of a view, in this order: 429, 401, 403, 4xx of the body, the view."""
    declaration = of(view)

    @wraps(view)
    def run(**given: Any) -> Response:  # noqa: ANN401 -- the parts of the path
        source = origin.current()
        source.route = rule
        with callers.from_outside():
            caller = _admit(declaration)
            callers.authorise(declaration, caller)
            _read(declaration, given)
            with db.unit_of_work(writes=source.method not in SAFE):
                return _shape(declaration, view(**given), caller)

    vars(run)["asks_who_calls"] = True
    return run


def check_access(app: Flask) -> None:
    """Raise UndeclaredAccess if a route was registered past ``Routes``, where nobody asks who calls."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static" and not hasattr(app.view_functions[rule.endpoint], "asks_who_calls"):
            message = f"{rule.rule}: register it with get, post, put, patch or delete of Routes, and declare its access"
            raise UndeclaredAccess(message)


def _admit(declaration: Declaration) -> Caller:
    if declaration.access is Access.PUBLIC:
        limits.spend(declaration, None)
        return callers.current()
    try:
        caller = callers.identify()
    except Unauthenticated:
        limits.spend(declaration, None)
        raise
    limits.spend(declaration, caller)
    return caller


def _read(declaration: Declaration, given: dict[str, Any]) -> None:
    if declaration.query is not None:
        given["query"] = schemas.read_query(declaration.query)
    if declaration.takes is not None:
        given["body"] = schemas.read_body(declaration)
    if declaration.conditional:
        given["guard"] = versions.guard()


def _shape(declaration: Declaration, result: Any, caller: Caller) -> Response:  # noqa: ANN401 -- whatever a service returns
    if isinstance(result, Response):
        return result
    if declaration.returns is None:
        response = Response(status=declaration.status)
        del response.headers["Content-Type"]  # Flask's is that of a page
        return response
    adapter = next(
        (shape for permission, shape in declaration.richer.items() if permission in caller.permissions),
        declaration.returns,
    )
    items = result.items if declaration.paged else result
    body = adapter.dump_json(adapter.validate_python(items))
    if not declaration.bare:
        described = paging.pagination(result) if declaration.paged else None
        body = schemas.envelope(body, declaration.message, described)
    status = declaration.status_of.get(result.status, 200) if declaration.status_of else declaration.status
    response = Response(body, status, mimetype=_JSON)
    if status == errors.STATUSES[Unavailable]:
        response.headers["Retry-After"] = str(Unavailable.retry_after)
    if declaration.cached:
        response.headers["Cache-Control"] = f"public, max-age={declaration.cached}"
    if declaration.versioned:
        response.headers["ETag"] = versions.etag(result.version)
    if declaration.location:
        response.headers["Location"] = declaration.location.format(it=result)
    return response
