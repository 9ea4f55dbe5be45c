"""Flask with its settings, and blueprints whose views declare."""

from collections.abc import Callable
from functools import partialmethod
from pathlib import Path

from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter

from app.core.config import Settings
from app.core.ids import BIGGEST
from app.infra import tracing
from app.web import admission, cookies, errors, headers, limits, versions
from app.web.declaration import V, of
from app.web.perform import perform
from app.web.request_log import RequestLog
from app.web.server_span import ServerSpan

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
    cookies.connect(settings)
    admission.connect(settings)
    limits.connect(settings)
    versions.connect(settings)
    if settings.allowed_origins:
        app.wsgi_app = headers.Cors(app.wsgi_app, settings.allowed_origins)  # type: ignore[method-assign]
    if tracing.is_on():
        app.wsgi_app = ServerSpan(app.wsgi_app)  # type: ignore[method-assign]
    # Flask's documented way to wrap the application.
    app.wsgi_app = RequestLog(app.wsgi_app, settings)  # type: ignore[method-assign]
    return app


def check_access(app: Flask) -> None:
    """Raise UndeclaredAccess if a route was registered past ``Routes``, where nobody asks who calls."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static" and not hasattr(app.view_functions[rule.endpoint], "asks_who_calls"):
            message = f"{rule.rule}: register it with get, post, put, patch or delete of Routes, and declare its access"
            raise UndeclaredAccess(message)
