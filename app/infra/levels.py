"""Levels of single loggers, changed while the process runs and for a time only.

What ends them is the clock of this process and nothing that could be away: whoever writes the next line notices that
their time is over, or the thread that looks for changes does.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from app.core import clock

log = logging.getLogger(__name__)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

TELL_SECRETS = ("authlib", "botocore", "httpcore", "httpx", "sqlalchemy.engine", "urllib3")
"""Libraries that write whole addresses, PKCE verifiers, headers or rows below WARNING: never let down to there."""

_OWN = ("app", "access")


@dataclass(frozen=True, slots=True)
class Override:
    """A logger that has another level until then."""

    logger: str
    level: str
    until: datetime


_overrides: dict[str, Override] = {}
_usual: dict[str, int] = {}
_next_end: datetime | None = None
_lock = Lock()


def least(logger: str) -> str:
    """Return the lowest level that a logger may be given: only our own are known to tell no secret at DEBUG."""
    if _is_of(logger, _OWN):
        return "DEBUG"
    return "WARNING" if _is_of(logger, TELL_SECRETS) else "INFO"


def apply(overrides: Iterable[Override]) -> None:
    """Let these hold in this process, and no others; a level that is too low becomes the lowest that is allowed."""
    global _next_end  # noqa: PLW0603 -- when to look at the clock again
    now = clock.now()
    wanted = {one.logger: one for one in overrides if one.until > now}
    with _lock:
        for name in _overrides.keys() - wanted.keys():
            logging.getLogger(name).setLevel(_usual.pop(name))
        for name, one in wanted.items():
            logger = logging.getLogger(name)
            _usual.setdefault(name, logger.level)
            logger.setLevel(max(one.level, least(name), key=LEVELS.index))
        changed = {*wanted.values()} ^ {*_overrides.values()}
        _overrides.clear()
        _overrides.update(wanted)
        _next_end = min((one.until for one in wanted.values()), default=None)
    for one in changed:
        holds = one.logger in wanted and one == wanted[one.logger]
        log.log(
            logging.WARNING,  # LOG_LEVEL may be that: who reads the lines must know why there are more of them, or less
            "a level changed" if holds else "a level is over",
            extra={"changed_logger": one.logger, "changed_level": one.level},
        )


def end_lapsed() -> bool:
    """Put back the levels whose time is over; tell whether there were any."""
    ends = _next_end
    if ends is None or clock.now() < ends:
        return False
    apply(list(_overrides.values()))
    return True


def lets_through(logger: logging.Logger, level: int) -> bool:
    """Tell whether a line that goes past the logging of Python is to be written."""
    if logger.isEnabledFor(level):
        return True
    return end_lapsed() and logger.isEnabledFor(level)


def in_force() -> dict[str, str]:
    """Return the levels that loggers of this process have for a time."""
    return {name: one.level for name, one in _overrides.items()}


def keep_secrets() -> None:
    """Hold the talkative libraries at WARNING, whatever is wanted of the loggers above them."""
    for name in TELL_SECRETS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _is_of(logger: str, families: Iterable[str]) -> bool:
    return any(logger == name or logger.startswith(f"{name}.") for name in families)
