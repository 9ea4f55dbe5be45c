"""The door of visits: counted on Redis, where it is; else, and while it is away, in the database.

A visit that cannot be counted is lost, and the page is shown all the same.
"""

import logging
from collections import Counter
from dataclasses import dataclass

from app.core import clock, origin
from app.core.errors import Failure, Unavailable
from app.core.keyring import Keyring
from app.features.visits import in_database, on_redis
from app.infra import seldom
from app.infra.redis import RedisAway

__all__ = ["PageVisits", "Visits", "connect", "count", "find_summary", "summary"]

log = logging.getLogger(__name__)

_SHOWN = 100

_keyring: Keyring


@dataclass(frozen=True, slots=True)
class PageVisits:
    """One page's visits."""

    page: str
    total: int
    today: int


@dataclass(frozen=True, slots=True)
class Visits:
    """All visits, and those of the pages that are seen most."""

    total: int
    today: int
    unique_visitors_today: int
    pages: list[PageVisits]


def connect(keyring: Keyring) -> None:
    """Learn the key of the visitors' fingerprints."""
    global _keyring  # noqa: PLW0603 -- set once during assembly
    _keyring = keyring


def count(page: str) -> None:
    """Count a visit of the present caller to a page, if that is possible now."""
    day, source = clock.now().date(), origin.current()
    visitor = _keyring.fingerprint("visits", f"{day} {source.ip} {source.user_agent}")
    try:
        on_redis.count(page, day, visitor)
    except RedisAway:
        try:
            in_database.count(page, day, visitor)
        except Failure:
            seldom.warn(log, "a visit was not counted")


def summary() -> Visits:
    """Return what was counted anywhere; raise Unavailable while Redis, which has most of it, is away."""
    day = clock.now().date()
    try:
        return _added(on_redis.read(day), in_database.read(day))
    except RedisAway as error:
        raise Unavailable from error


def find_summary() -> Visits | None:
    """Return what was counted, None if it cannot be read now."""
    try:
        return summary()
    except Failure:
        return None


Read = tuple[Counter[str], Counter[str], int]
"""Total and today by page, and unique visitors today."""


def _added(one: Read, other: Read) -> Visits:
    total, today = one[0] + other[0], one[1] + other[1]
    pages = [PageVisits(page, number, today[page]) for page, number in total.most_common(_SHOWN)]
    return Visits(total.total(), today.total(), one[2] + other[2], pages)
