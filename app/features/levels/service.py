"""The door of levels: set, list, reset, and what each process does to follow.

Rows of the database carry them, because it is what every process of both worlds shares; a process asks every few
seconds (``infra/watch.py``), and knows by its own clock when a level ends.
"""

import logging
from datetime import timedelta
from difflib import get_close_matches

from sqlalchemy import delete, select

from app.core import clock
from app.core.errors import Invalid
from app.features.audit import service as audit
from app.features.levels.models import LoggerLevel
from app.infra import db, levels
from app.infra.levels import LEVELS, Override
from app.infra.query import Query

__all__ = ["LEVELS", "LONGEST", "NoSuchLogger", "Override", "TellsTooMuch", "change", "current", "refresh", "reset"]

LONGEST = timedelta(hours=24)

_NAME_LENGTH = 100
_TABLE = LoggerLevel.__table__.c
_ROWS = Query(select(_TABLE.logger, _TABLE.level, _TABLE.until).order_by(_TABLE.logger))


class NoSuchLogger(Invalid):
    """Nobody writes under that name; a level that is set by a slip of the finger would do nothing in silence."""

    code = "NO_SUCH_LOGGER"
    message = "There is no logger of that name."


class TellsTooMuch(Invalid):
    """At that level the logger writes what no log may hold."""

    code = "LEVEL_TELLS_TOO_MUCH"
    message = "At that level the logger may write secrets."


class BadDuration(Invalid):
    """A level ends by itself, and within a day."""

    code = "BAD_DURATION"
    message = "A level is set for a second at least and for 24 hours at most."


def change(logger: str, level: str, *, lasts: timedelta) -> Override:
    """Give a logger another level for a time; raise NoSuchLogger, TellsTooMuch or BadDuration."""
    if not timedelta(seconds=1) <= lasts <= LONGEST:
        raise BadDuration
    _check(logger, level)
    now = clock.now()
    values = {"level": level, "until": now + lasts, "set_at": now}
    db.session().execute(delete(LoggerLevel).where(LoggerLevel.until <= now))
    statement = db.upsert(LoggerLevel).values(logger=logger, **values)
    db.session().execute(statement.on_conflict_do_update(index_elements=["logger"], set_=values))
    audit.record("log_level_changed", target=("logger", logger), detail={"level": level, "seconds": _whole(lasts)})
    return Override(logger, level, now + lasts)


def current() -> list[Override]:
    """Return the levels that hold now."""
    now = clock.now()
    return [one for one in _stored() if one.until > now]


def reset(logger: str | None = None) -> list[str]:
    """Give a logger, or all of them (None), back its usual level; return which had another."""
    chosen = [one.logger for one in current() if logger in {None, one.logger}]
    if logger is not None and not chosen:
        raise NoSuchLogger("That logger has its usual level. 'flask logs list' shows those that have not.")
    db.session().execute(delete(LoggerLevel).where(LoggerLevel.logger.in_(chosen)))
    for name in chosen:
        audit.record("log_level_reset", target=("logger", name))
    return chosen


def refresh() -> None:
    """Follow what is stored; where the database is away, end what is over all the same."""
    levels.end_lapsed()
    levels.apply(_stored())


def _stored() -> list[Override]:
    return [Override(row.logger, row.level, row.until) for row in _ROWS.rows()]


def _whole(lasts: timedelta) -> int:
    return int(lasts.total_seconds())


def _check(logger: str, level: str) -> None:
    known = {*logging.root.manager.loggerDict, "root", "access"}  # ours are all loaded, of libraries those in use
    if len(logger) > _NAME_LENGTH or logger not in known:
        close = get_close_matches(logger, known, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise NoSuchLogger(f"There is no logger of that name.{hint}")
    least = levels.least(logger)
    if LEVELS.index(level) < LEVELS.index(least):
        raise TellsTooMuch(f"Below {least}, {logger} may write secrets.")
