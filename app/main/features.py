"""What each feature brings: its routes, its commands, its tables, and what it needs to know."""

from importlib import import_module
from pkgutil import iter_modules

import click
from flask import Flask

from app import features
from app.console import setup
from app.core import config
from app.core.config import Settings
from app.core.keyring import Keyring
from app.features.access import routes as access_routes
from app.features.access import service as access
from app.features.accounts import cli as accounts_cli
from app.features.accounts import routes as accounts_routes
from app.features.accounts import service as accounts
from app.features.audit import cli as audit_cli
from app.features.audit import routes as audit_routes
from app.features.audit import service as audit
from app.features.auth import cli as auth_cli
from app.features.auth import routes as auth_routes
from app.features.auth import service as auth
from app.features.health import routes as health_routes
from app.features.health import service as health
from app.features.idempotency import service as idempotency
from app.features.mail import service as mail
from app.features.statistics import routes as statistics_routes
from app.features.statistics import service as statistics
from app.features.visits import routes as visits_routes
from app.features.visits import service as visits
from app.infra import sealed
from app.web import caller, reference
from app.web import idempotency as web_idempotency

BLUEPRINTS = (
    auth_routes.routes,
    accounts_routes.routes,
    access_routes.routes,
    visits_routes.routes,
    health_routes.routes,
    audit_routes.routes,
    statistics_routes.routes,
    reference.routes,
    setup.routes,
)


def install(app: Flask, settings: Settings) -> None:
    """Connect the features with their settings and each other, and register what they bring."""
    keyring = Keyring(config.secrets_of(settings))
    sealed.connect(keyring)
    mail.connect(settings)
    accounts.connect(settings)
    auth.connect(settings, keyring)
    visits.connect(keyring)
    health.connect(settings)
    statistics.connect(settings)
    reference.connect(settings)
    caller.plug(auth.identify)
    web_idempotency.plug(idempotency.KeptAnswers(keyring))
    caller.on_refusal(audit.record_refusal)
    accounts.when_locked_out(_end_sessions)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    _install_commands(app.cli)


def bootstrap() -> None:
    """Make the rows that nothing works without: built-in roles, signing keys; drop counters that are long over."""
    access.ensure_built_in_roles()
    auth.ensure_keys()
    auth.forget_old_guesses()


def load_models() -> None:
    """Import every table, for migrations."""
    for feature in iter_modules(features.__path__):
        package = f"{features.__name__}.{feature.name}"
        if "models" in {room.name for room in iter_modules(import_module(package).__path__)}:
            import_module(f"{package}.models")


def _install_commands(root: click.Group) -> None:
    root.add_command(auth_cli.commands)
    root.add_command(audit_cli.commands)
    auth_cli.register(root)
    accounts_cli.register(root)


def _end_sessions(user_id: int) -> None:
    auth.revoke_all(user_id=user_id, reason="locked_out")
