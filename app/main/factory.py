"""Makes the application from its settings."""

from flask import Flask

from app.core import config
from app.core.config import Settings
from app.infra import db, hits, listing, logs, redis
from app.main import cli, features
from app.web import application


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application. Opens no connection; refuses settings that cannot be used."""
    settings = settings or config.load()
    for neighbour in (logs, db, listing, redis, hits):
        neighbour.connect(settings)
    app = application.make(settings)
    features.install(app, settings)
    cli.install(app, settings)
    return app
