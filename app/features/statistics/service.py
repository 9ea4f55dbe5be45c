"""The door of statistics: figures that are read from the database when somebody asks, a few times a minute at most."""

import hmac
from collections.abc import Iterator
from datetime import timedelta

from app.core import clock
from app.core.config import Settings
from app.core.errors import Failure, NotFound
from app.features.accounts import service as accounts
from app.features.api_keys import service as api_keys
from app.features.audit import service as audit
from app.features.auth import service as auth
from app.features.backups import service as backups
from app.features.factors import service as factors
from app.features.jobs import service as jobs
from app.features.mail import service as mail
from app.features.oidc import service as oidc
from app.infra import db, metrics
from app.infra.cache import cached
from app.infra.metrics import CONTENT_TYPE, Figure

__all__ = ["CONTENT_TYPE", "connect", "exposition", "figures"]

_FRESH_SECONDS = 15.0

_token = ""


def connect(settings: Settings) -> None:
    """Learn which token opens the metrics, and let the figures be read with them."""
    global _token  # noqa: PLW0603 -- set once during assembly
    _token = settings.metrics_token
    metrics.collect(figures)


def exposition(*, token: str | None) -> bytes:
    """Return the metrics in Prometheus' text format to who has the token; for everybody else there are none."""
    if not _token or not hmac.compare_digest((token or "").encode(), _token.encode()):
        raise NotFound
    return metrics.exposition()


def figures() -> list[Figure]:
    """Return the figures, at most 15 seconds old; only that they could not be read if the database is away."""
    try:
        return [*_figures(), _readable(1)]
    except Failure:
        return [_readable(0)]


@cached("statistics", seconds=_FRESH_SECONDS)
def _figures() -> list[Figure]:
    now = clock.now()
    day, month = now - timedelta(days=1), now - timedelta(days=30)
    with db.apart(writes=False):
        census, backlog = accounts.take_census(), mail.backlog()
        registered = {"day": accounts.count_registered(day), "month": accounts.count_registered(month)}
        active = {"day": auth.count_active(day), "month": auth.count_active(month)}
        chain = audit.watched()
        verified = 0 if chain.verified_at is None else chain.verified_at.timestamp()
        meaning = "When the whole audit chain was last found intact, 0 if never."
        return [
            Figure("app_users", "Accounts by state.", _labelled("state", census.states)),
            Figure("app_registrations", "Accounts made in the last day and month.", _labelled("window", registered)),
            Figure("app_active_users", "Users who were here in the last day and month.", _labelled("window", active)),
            Figure("app_adoption", "Users who use a feature.", _labelled("feature", _adoption(census))),
            Figure("mail_outbox_depth", "Mails by status.", _labelled("status", backlog.depth)),
            Figure("mail_outbox_oldest_seconds", "How long the oldest mail waits.", [({}, backlog.oldest_seconds)]),
            Figure("audit_chain_intact", "0 if the audit chain is broken.", [({}, 0 if chain.fault else 1)]),
            Figure("audit_chain_verified_timestamp_seconds", meaning, [({}, verified)]),
            *backups.figures(),
            *_of_jobs(),
        ]


def _of_jobs() -> Iterator[Figure]:
    backlog, tasks = jobs.backlog(), jobs.timetable()
    yield Figure("jobs_depth", "Jobs by status.", _labelled("status", backlog.depth))
    yield Figure("jobs_oldest_seconds", "How long the oldest job that is due waits.", [({}, backlog.oldest_seconds)])
    failures = {one.task: one.failures for one in tasks}
    yield Figure("timetable_failures", "Failures in a row of a timetabled task.", _labelled("task", failures))
    overdue = [({"task": one.task}, one.overdue_seconds) for one in tasks]
    yield Figure("timetable_overdue_seconds", "How long a timetabled task is overdue.", overdue)


def _adoption(census: accounts.Census) -> dict[str, int]:
    return {
        "verified_email": census.verified_email,
        "second_factor": census.second_factor,
        "passkey": factors.count_users_with_passkey(),
        "api_key": api_keys.count_users_with_key(),
        "identity_provider": oidc.count_users_with_identity(),
    }


def _labelled(label: str, values: dict[str, int]) -> list[tuple[dict[str, str], float]]:
    return [({label: name}, float(value)) for name, value in values.items()]


def _readable(value: float) -> Figure:
    return Figure("app_figures_readable", "Whether the figures of the database could be read.", [({}, value)])
