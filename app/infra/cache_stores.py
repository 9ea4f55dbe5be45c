"""Where the cache keeps what was computed: Redis | this process. Both give the same promises.

A value is kept with the token of its name, which was read before it was computed. Whoever invalidates the name gives it
another token, so what was computed before is never read again, whenever it is stored.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from cachetools import LRUCache
from redis.exceptions import LockError
from redis.lock import Lock as Lease

from app.core import clock
from app.infra import redis
from app.infra.redis import Client, RedisAway

LEASE_SECONDS = 3.0
"""How long one may compute before another begins as well: what a killed one costs the others."""

TOKEN_SECONDS = 600
"""How much longer than the values a token is kept; nothing that took longer to compute is stored."""

_HERE_BYTES = 8 * 1024 * 1024
_TOKENS = 10_000
_PREFIX = "carboy:cache"
_EPOCH = f"{_PREFIX}:epoch"
_OVERHEAD_BYTES = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store has under a name: the present token, and the value unless there is none of this token."""

    token: str
    body: bytes | None = None
    fresh_until: float = 0.0

    def is_fresh(self, seconds: float) -> bool:
        """Tell whether the value needs no renewal; a clock that was put back does not make it live longer."""
        return self.body is not None and 0 < self.fresh_until - clock.now().timestamp() <= seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be stored: for how long it is fresh, and for how long it is kept."""

    key: str
    token: str
    body: bytes
    fresh: float
    kept: float


class Store(Protocol):
    """What both can do. ``name`` is stable over releases, ``key`` is the name in one shape."""

    def read(self, name: str, key: str) -> Kept | None:
        """Return what there is; None if the store is away."""

    def write(self, entry: Entry) -> None:
        """Keep a value, if that is possible now."""

    def alone(self, key: str) -> AbstractContextManager[bool]:
        """Try to be the one who computes; yield whether we are. Waits for nobody."""


class Here:
    """The memory of this process, bounded in bytes: what was not used for longest goes first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: LRUCache[str, tuple[Kept, float]] = LRUCache(_HERE_BYTES, getsizeof=_size)
        self._tokens: LRUCache[str, str] = LRUCache(_TOKENS)
        self._epoch = secrets.token_hex(8)
        self._leases: dict[str, float] = {}

    def read(self, name: str, key: str) -> Kept:
        with self._lock:
            token = self._tokens.get(name) or self._epoch
            kept, until = self._values.get(key, (None, 0.0))
        if kept is None or kept.token != token or time.monotonic() >= until:
            return Kept(token)
        return kept

    def write(self, entry: Entry) -> None:
        kept = Kept(entry.token, entry.body, clock.now().timestamp() + entry.fresh)
        with self._lock, suppress(ValueError):  # larger than everything: not kept
            self._values[entry.key] = kept, time.monotonic() + entry.kept

    def invalidate(self, name: str) -> None:
        """Never show again what was or is being computed for this name."""
        with self._lock:
            if name not in self._tokens and len(self._tokens) == _TOKENS:
                self._forget()
            self._tokens[name] = secrets.token_hex(8)

    def clear(self) -> None:
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        """Let go of everything: a token that were forgotten alone would show what is older than it."""
        self._values.clear()
        self._tokens.clear()
        self._epoch = secrets.token_hex(8)

    @contextmanager
    def alone(self, key: str) -> Iterator[bool]:
        now = time.monotonic()
        with self._lock:
            ours = self._leases.get(key, 0.0) <= now
            if ours:
                self._leases[key] = now + LEASE_SECONDS
        try:
            yield ours
        finally:
            with self._lock:
                if ours and self._leases.get(key) == now + LEASE_SECONDS:
                    del self._leases[key]


class OnRedis:
    """Redis, which all processes share. One round trip reads; whatever it does not do costs no request."""

    def read(self, name: str, key: str) -> Kept | None:
        try:
            epoch, token, value = redis.ask(
                lambda client: client.mget(_EPOCH, _token_key(name), f"{_PREFIX}:value:{key}")
            )
        except RedisAway:
            return None
        return _parsed(value, f"{(epoch or b'').decode()}.{(token or b'').decode()}")

    def write(self, entry: Entry) -> None:
        fresh_until = clock.now().timestamp() + entry.fresh
        value = b"%s %f\n%s" % (entry.token.encode(), fresh_until, entry.body)
        with suppress(RedisAway):
            redis.ask(lambda client: client.set(f"{_PREFIX}:value:{entry.key}", value, px=int(entry.kept * 1000)))

    def invalidate(self, name: str, kept: float) -> None:
        """Never show again what was or is being computed for this name; raise RedisAway if that cannot be said now."""
        seconds = int(kept + TOKEN_SECONDS) + 1
        redis.ask(lambda client: client.set(_token_key(name), secrets.token_hex(8), ex=seconds))

    def clear(self) -> int:
        """Never show again what was or is being computed, whatever its name; return how many values that were."""

        def forget(client: Client) -> int:
            client.set(_EPOCH, secrets.token_hex(8))
            return sum(client.unlink(key) for key in client.scan_iter(f"{_PREFIX}:value:*", count=1000))

        return redis.ask(forget)

    @contextmanager
    def alone(self, key: str) -> Iterator[bool]:
        try:
            lease = redis.ask(lambda client: _lease(client, key))
        except RedisAway:
            yield True
            return
        try:
            yield lease is not None
        finally:
            if lease is not None:
                with suppress(RedisAway):
                    redis.ask(lambda _: _end(lease))


def _token_key(name: str) -> str:
    return f"{_PREFIX}:token:{name}"


def _parsed(value: bytes | None, token: str) -> Kept:
    """Read what is stored; what is not ours, or of another token, is nothing."""
    head, _, body = (value or b"").partition(b"\n")
    written, _, fresh_until = head.partition(b" ")
    if written != token.encode():
        return Kept(token)
    try:
        return Kept(token, body, float(fresh_until))
    except ValueError:
        return Kept(token)


def _size(found: tuple[Kept, float]) -> int:
    return len(found[0].body or b"") + _OVERHEAD_BYTES


def _lease(client: Client, key: str) -> Lease | None:
    lease: Lease = client.lock(f"{_PREFIX}:lease:{key}", timeout=LEASE_SECONDS, blocking=False, thread_local=False)
    return lease if lease.acquire() else None


def _end(lease: Lease) -> None:
    with suppress(LockError):  # it ended by itself, and is perhaps another's by now
        lease.release()
