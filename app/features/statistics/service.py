"""The door of statistics: figures that are read from the database when somebody asks, a few times a minute at most."""

import hmac
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from threading import Lock

from app.core import clock
from app.core.config import Settings
from app.core.errors import Failure, NotFound
from app.features.accounts import service as accounts
from app.features.auth import service as auth
from app.features.jobs import service as jobs
from app.features.mail import service as mail
from app.infra import db, metrics
from app.infra.metrics import CONTENT_TYPE, Figure

__all__ = ["CONTENT_TYPE", "connect", "exposition", "figures"]

_FRESH_SECONDS = 15.0

_token = ""
_lock = Lock()
_read_at = -_FRESH_SECONDS
_last: list[Figure] = []


def connect(settings: Settings) -> None:
    """Learn which token opens the metrics, and let the figures be read with them."""
    global _token, _read_at
    _token, _read_at = settings.metrics_token, -_FRESH_SECONDS
    metrics.collect(figures)


def exposition(*, token: str | None) -> bytes:
    """Return the metrics in Prometheus' text format to who has the token; for everybody else there are none."""
    if not _token or not hmac.compare_digest((token or "").encode(), _token.encode()):
        raise NotFound
    return metrics.exposition()


def figures() -> list[Figure]:
    """Return the figures, at most 15 seconds old; only that they could not be read if the database is away."""
    global _read_at, _last  # noqa: PLW0603 -- what this process read last
    with _lock:
        if time.monotonic() - _read_at >= _FRESH_SECONDS:
            try:
                _last = [*_read(), _readable(1)]
            except Failure:
                _last = [_readable(0)]
            _read_at = time.monotonic()
        return _last


def _read() -> Iterator[Figure]:
    now = clock.now()
    with db.apart(writes=False):
        yield Figure("app_users", "Accounts by state.", _labelled("state", accounts.count_by_state()))
        active = {
            "day": auth.count_active(now - timedelta(days=1)),
            "month": auth.count_active(now - timedelta(days=30)),
        }
        yield Figure("app_active_users", "Users who were here in the last day and month.", _labelled("window", active))
        backlog = mail.backlog()
        yield Figure("mail_outbox_depth", "Mails by status.", _labelled("status", backlog.depth))
        yield Figure("mail_outbox_oldest_seconds", "How long the oldest mail waits.", [({}, backlog.oldest_seconds)])
        yield from _of_jobs()


def _of_jobs() -> Iterator[Figure]:
    backlog, tasks = jobs.backlog(), jobs.timetable()
    yield Figure("jobs_depth", "Jobs by status.", _labelled("status", backlog.depth))
    yield Figure("jobs_oldest_seconds", "How long the oldest job that is due waits.", [({}, backlog.oldest_seconds)])
    failures = {one.task: one.failures for one in tasks}
    yield Figure("timetable_failures", "Failures in a row of a timetabled task.", _labelled("task", failures))
    overdue = [({"task": one.task}, one.overdue_seconds) for one in tasks]
    yield Figure("timetable_overdue_seconds", "How long a timetabled task is overdue.", overdue)


def _labelled(label: str, values: dict[str, int]) -> Iterable[tuple[dict[str, str], float]]:
    return [({label: name}, float(value)) for name, value in values.items()]


def _readable(value: float) -> Figure:
    return Figure("app_figures_readable", "Whether the figures of the database could be read.", [({}, value)])
