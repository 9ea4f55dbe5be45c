"""Looks at an instance and says in words what is set, what is reachable, and what is unsafe."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import make_url

from app.core import config, mailing
from app.core.config import Settings
from app.core.errors import Failure
from app.features.accounts import service as accounts
from app.features.backups import service as backups
from app.infra import db, migrations, queue, redis, replica, resealing
from app.infra.redis import RedisAway

_LOOPBACK = ("127.", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, and whether it is a fault, a warning, or fine."""

    text: str
    is_fault: bool = False
    is_warning: bool = False

    @property
    def mark(self) -> str:
        """Return the sign in front of the sentence."""
        return "✗" if self.is_fault else "!" if self.is_warning else "✓"


def examine(settings: Settings) -> list[Finding]:
    """Return every finding; asks each neighbour once."""
    return [*_settings(settings), *_database(settings), *_redis(settings), *_mail(settings), *_queue(settings)]


def _settings(settings: Settings) -> Iterator[Finding]:
    yield Finding(f"{settings.environment}, reached at {settings.base_url}")
    would_refuse = config.complaints(settings.model_copy(update={"environment": "production"}))
    for complaint in would_refuse if not settings.production else ():
        yield Finding(f"production would refuse: {complaint}", is_warning=True)
    if not settings.production and not settings.host.startswith(_LOOPBACK):
        yield Finding(f"development settings listen on {settings.host}, where others reach them", is_warning=True)
    if settings.ratelimit_scale == 0:
        yield Finding("RATELIMIT_SCALE=0: traffic and registrations are not limited", is_warning=True)
    if settings.workers * settings.replicas > 1 and not settings.redis_url:
        yield Finding("several processes and no REDIS_URL: each limits its own part of the traffic", is_warning=True)
    if settings.replicas > 1 and settings.database.startswith("sqlite"):
        yield Finding("SQLite cannot be shared by several instances; set DATABASE_URL", is_fault=True)


def _database(settings: Settings) -> Iterator[Finding]:
    yield from _primary(settings)
    if settings.replica:
        where = make_url(settings.replica).render_as_string(hide_password=True)
        fault = replica.complaint(settings)
        yield Finding(f"replica {where}: {fault or 'it follows the database'}", is_warning=bool(fault))


def _primary(settings: Settings) -> Iterator[Finding]:
    where = make_url(settings.database).render_as_string(hide_password=True)
    try:
        db.ping()
        yield Finding(f"database answers: {where}")
        if migrations.are_pending():
            yield Finding("migrations are pending: run 'flask db upgrade'", is_fault=True)
            return
        yield Finding("migrations are all applied")
        with db.unit_of_work(writes=False):
            known = accounts.has_administrator()
        if known:
            yield Finding("there is an administrator")
        else:
            yield Finding("there is no administrator yet: run 'flask create-admin'", is_warning=True)
        yield _secrets()
        left = backups.interrupted()
        if left:
            yield Finding(
                f"the restoration of {left} was interrupted: repeat it before anybody is let in", is_fault=True
            )
    except Failure:
        yield Finding(f"database does not answer: {where}", is_fault=True)


def _secrets() -> Finding:
    """Say whether a secret of SECRET_KEY may be taken away."""
    found = resealing.survey()
    if found.lost:
        text = (
            f"{found.lost} encrypted values open with no secret of SECRET_KEY: put the one that sealed them at its end"
        )
        return Finding(text, is_warning=True)
    if found.older:
        text = f"{found.older} encrypted values still need an older secret of SECRET_KEY: run 'flask keys reencrypt'"
        return Finding(text, is_warning=True)
    return Finding("encrypted values all open with the newest secret of SECRET_KEY")


def _redis(settings: Settings) -> Iterator[Finding]:
    if not settings.redis_url:
        yield Finding("no Redis: limits and counters live in this process and the database")
        return
    try:
        redis.ping()
        yield Finding("Redis answers")
    except RedisAway:
        yield Finding("Redis does not answer; the service works without it, degraded", is_warning=True)


def _mail(settings: Settings) -> Iterator[Finding]:
    if not settings.mail_url:
        yield Finding(f"no mail server: mail becomes files in {settings.var_dir / 'mail'}")
        return
    server = mailing.server_of(settings.mail_url)
    yield Finding(f"mail goes to {server.host}:{server.port}; 'flask mail test ADDRESS' shows whether it arrives")


def _queue(settings: Settings) -> Iterator[Finding]:
    if not settings.celery_broker_url:
        yield Finding("no broker: the server itself works off mail and the timetable")
        return
    try:
        queue.ping()
        yield Finding("the broker answers; mail needs a Celery worker and beat")
    except Exception:  # noqa: BLE001 -- Celery's transports have no failure in common
        yield Finding("the broker does not answer; mail waits", is_warning=True)
