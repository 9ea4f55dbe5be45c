"""Counts how often something happened in the present window of time: Redis | this process.

Windows are fixed: one round trip gives the count, what remains and when it ends, where the sliding ones of the
same library need two. A burst over the edge of two windows may be twice the limit, which traffic can bear;
guesses of passwords are counted elsewhere, in the database.
"""

from collections import Counter
from dataclasses import dataclass
from threading import Lock

from limits.storage import RedisStorage

from app.core import clock
from app.core.config import Settings
from app.infra import metrics, redis, tracing

_shared: RedisStorage | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """A count with its window: ``reset_after`` in whole seconds, ``shared`` between all workers or not."""

    count: int
    reset_after: int
    shared: bool


class _Here:
    """The counters of this process: one table a window, dropped whole when the next begins."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tables: dict[int, tuple[int, Counter[str]]] = {}

    def add(self, key: str, seconds: int, window: int) -> int:
        with self._lock:
            current, table = self._tables.get(seconds, (window, Counter[str]()))
            if current != window or seconds not in self._tables:
                table = Counter[str]()
                self._tables[seconds] = (window, table)
            table[key] += 1
            return table[key]

    def clear(self) -> None:
        with self._lock:
            self._tables.clear()


_here = _Here()


def connect(settings: Settings) -> None:
    """Choose where hits are counted, and begin from zero."""
    global _shared  # noqa: PLW0603 -- one counter for each process, known after assembly
    _here.clear()
    _shared = None
    if settings.redis_url:
        _shared = RedisStorage(
            settings.redis_url,
            socket_timeout=settings.redis_seconds,
            socket_connect_timeout=settings.redis_seconds,
        )
        tracing.watch_redis(_shared.storage)


def add(key: str, *, seconds: int) -> Hits:
    """Count one more hit. While Redis is away the count is this process's alone."""
    window, elapsed = divmod(int(clock.now().timestamp()), seconds)
    reset_after = seconds - elapsed
    storage = _shared
    if storage is not None:
        try:
            name = f"carboy:hits:{seconds}:{window}:{key}"
            count = redis.ask(lambda _: storage.incr(name, reset_after + 1))
            metrics.limiter(degraded=False)
            return Hits(count, reset_after, shared=True)
        except redis.RedisAway:
            metrics.limiter(degraded=True)
    return Hits(_here.add(key, seconds, window), reset_after, shared=False)
