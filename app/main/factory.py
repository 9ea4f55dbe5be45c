"""Makes the application from its settings."""

import click
from flask import Flask

from app.core import config
from app.core.config import Settings
from app.infra import (
    cache,
    db,
    hits,
    listing,
    logs,
    mailer,
    metrics,
    providers,
    queue,
    redis,
    replica,
    reporting,
    tracing,
)
from app.main import cli, features, starting
from app.web import application


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application. Opens no connection; refuses settings that cannot be used."""
    settings = settings or config.load()
    for neighbour in (logs, tracing, reporting, db, replica, listing, redis, cache, hits, mailer, providers, queue):
        neighbour.connect(settings)
    app = application.make(settings)
    features.install(app, settings)
    cli.install(app, settings)
    application.check_access(app)
    return app


def wsgi_app() -> Flask:
    """Return the application that a WSGI server serves; commands, which may have to mend things, are let through."""
    try:
        settings = config.load()
    except config.UnsafeSettings as error:
        raise starting.RefusesToStart(str(error)) from None
    app = create_app(settings)
    context = click.get_current_context(silent=True)
    if context is None or context.info_name == "run":
        starting.prepare(settings)
        starting.begin_beside()
        metrics.start(settings.metrics_dir)
    return app
