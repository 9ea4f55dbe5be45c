"""What each feature brings: its routes, its commands, its tables, and what it needs to know."""

from importlib import import_module
from pkgutil import iter_modules

import click
from flask import Flask

from app import features
from app.console import links, setup
from app.core import config
from app.core.config import Settings
from app.core.keyring import Keyring
from app.features.access import routes as access_routes
from app.features.access import service as access
from app.features.accounts import cli as accounts_cli
from app.features.accounts import routes as accounts_routes
from app.features.accounts import service as accounts
from app.features.api_keys import routes as api_keys_routes
from app.features.api_keys import service as api_keys
from app.features.audit import cli as audit_cli
from app.features.audit import routes as audit_routes
from app.features.audit import service as audit
from app.features.audit import tasks as audit_tasks
from app.features.auth import cli as auth_cli
from app.features.auth import link_routes, mfa_routes, passkey_routes
from app.features.auth import routes as auth_routes
from app.features.auth import service as auth
from app.features.auth import tasks as auth_tasks
from app.features.backups import cli as backups_cli
from app.features.backups import service as backups
from app.features.backups import tasks as backups_tasks
from app.features.factors import service as factors
from app.features.freshness import service as freshness
from app.features.freshness import tasks as freshness_tasks
from app.features.health import routes as health_routes
from app.features.health import service as health
from app.features.idempotency import service as idempotency
from app.features.idempotency import tasks as idempotency_tasks
from app.features.jobs import cli as jobs_cli
from app.features.jobs import service as jobs
from app.features.jobs import tasks as jobs_tasks
from app.features.levels import cli as levels_cli
from app.features.levels import service as levels
from app.features.mail import cli as mail_cli
from app.features.mail import service as mail
from app.features.mail import tasks as mail_tasks
from app.features.oidc import routes as oidc_routes
from app.features.oidc import service as oidc
from app.features.privacy import cli as privacy_cli
from app.features.privacy import routes as privacy_routes
from app.features.privacy import service as privacy
from app.features.privacy import tasks as privacy_tasks
from app.features.statistics import routes as statistics_routes
from app.features.statistics import service as statistics
from app.features.visits import routes as visits_routes
from app.features.visits import service as visits
from app.infra import queue, resealing, sealed, watch
from app.web import caller, reference
from app.web import freshness as web_freshness
from app.web import idempotency as web_idempotency

BLUEPRINTS = (
    auth_routes.routes,
    mfa_routes.routes,
    passkey_routes.routes,
    link_routes.routes,
    privacy_routes.routes,
    oidc_routes.routes,
    accounts_routes.routes,
    access_routes.routes,
    api_keys_routes.routes,
    visits_routes.routes,
    health_routes.routes,
    audit_routes.routes,
    statistics_routes.routes,
    reference.routes,
    setup.routes,
    links.routes,
)

TASKS = (
    jobs_tasks.tick,
    jobs_tasks.work,
    jobs_tasks.forget_old,
    mail_tasks.deliver,
    mail_tasks.forget_old,
    audit_tasks.prune,
    audit_tasks.watch,
    auth_tasks.forget_ended_sessions,
    auth_tasks.forget_expired_links,
    auth_tasks.forget_old_guesses,
    idempotency_tasks.forget_old,
    freshness_tasks.forget_old,
    privacy_tasks.erase_due,
    backups_tasks.run_due,
)

JOBS = (privacy_tasks.erase,)


def install(app: Flask, settings: Settings) -> None:
    """Connect the features with their settings and each other, and register what they bring."""
    keyring = Keyring(config.secrets_of(settings))
    sealed.connect(keyring)
    resealing.connect(keyring)
    audit.connect(settings)
    jobs.connect(settings)
    privacy.connect(settings)
    mail.connect(settings)
    accounts.connect(settings)
    factors.connect(settings)
    api_keys.connect(settings)
    auth.connect(settings, keyring)
    oidc.connect(settings, keyring)
    visits.connect(keyring)
    health.connect(settings)
    freshness.connect(settings)
    backups.connect(settings, keyring)
    statistics.connect(settings)
    reference.connect(settings)
    caller.plug(auth.identify, key=api_keys.identify)
    web_idempotency.plug(idempotency.KeptAnswers(keyring))
    web_freshness.plug(freshness)
    caller.on_refusal(audit.record_refusal)
    accounts.when_locked_out(_lock_out)
    accounts.when_created(auth.welcome)
    auth.also_signs_in(oidc.has_identity)
    auth.when_reclaimed(oidc.erase)
    backups.when_restored(privacy.erase_again)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    queue.register(TASKS)
    watch.register(levels.refresh, auth.pay_back_guesses, idempotency.release_owed)
    jobs.register(JOBS)
    _install_commands(app.cli)


def bootstrap() -> None:
    """Make the rows that nothing works without: built-in roles, signing keys; drop counters and codes long over."""
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
    root.add_command(mail_cli.commands)
    root.add_command(levels_cli.commands)
    root.add_command(jobs_cli.commands)
    root.add_command(privacy_cli.commands)
    root.add_command(backups_cli.commands)
    auth_cli.register(root)
    accounts_cli.register(root)


def _lock_out(user_id: int) -> None:
    auth.revoke_all(user_id=user_id, reason="locked_out")
    auth.end_links(user_id)
    api_keys.revoke_all(user_id=user_id, reason="locked_out")
