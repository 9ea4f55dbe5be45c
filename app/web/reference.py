"""The API reference: the OpenAPI document as JSON and YAML, and a page to read it and try it."""

from functools import cache

import orjson
import yaml
from flask import Flask, Response, current_app, render_template

from app.core.config import Settings
from app.core.version import VERSION
from app.web import openapi
from app.web.application import Routes
from app.web.caller import public
from app.web.declaration import hidden

routes = Routes("reference", __name__)

_settings: Settings


def connect(settings: Settings) -> None:
    """Learn what the document says of the service."""
    global _settings  # noqa: PLW0603 -- set once during assembly
    _settings = settings
    _json.cache_clear()
    _yaml.cache_clear()


@routes.get("/openapi.json")
@public
@hidden
def show_json() -> Response:
    """Return the OpenAPI document."""
    return Response(_json(_app()), mimetype="application/json")


@routes.get("/openapi.yaml")
@public
@hidden
def show_yaml() -> Response:
    """Return the OpenAPI document as YAML."""
    return Response(_yaml(_app()), mimetype="application/yaml")


@routes.get("/docs")
@public
@hidden
def show_page() -> Response:
    """Show the API reference."""
    return Response(render_template("docs.html", version=VERSION), mimetype="text/html")


@cache
def _json(app: Flask) -> bytes:
    return orjson.dumps(openapi.document(app, _settings))


@cache
def _yaml(app: Flask) -> str:
    return yaml.safe_dump(orjson.loads(_json(app)), sort_keys=False, allow_unicode=True)


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001 -- documented
