"""Remembers what is dear to compute and may be a little old: on Redis | in this process.

Never for what decides who may do what, nor for what somebody must see at once after changing it elsewhere. Whatever
happens to Redis, a cached function answers: it computes.
"""

import hashlib
import inspect
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, update_wrapper
from threading import Lock
from typing import Generic, NamedTuple, ParamSpec, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from app.core.config import Settings
from app.core.errors import Failure
from app.infra import db, metrics, redis
from app.infra.cache_stores import LEASE_SECONDS, TOKEN_SECONDS, Entry, Here, Kept, OnRedis, Store

P = ParamSpec("P")
T = TypeVar("T")

_WAIT_SECONDS = 2 * LEASE_SECONDS
_POLL_SECONDS = 0.01, 0.1
_ALONE_SECONDS = 5.0
_OWED, _EVERYTHING = 1000, "*"

_here = Here()
_shared: OnRedis | None = None
_owed: dict[str, float] = {}
_owed_lock = Lock()


class NothingShared(Failure):
    """There is no Redis that could be cleared."""

    code = "NOTHING_SHARED"
    message = "REDIS_URL is not set: each process remembers by itself, until it is restarted."


def connect(settings: Settings) -> None:
    """Choose where values are kept, and forget those of this process."""
    global _shared  # noqa: PLW0603 -- one cache for each process, known after assembly
    _here.clear()
    _owed.clear()
    _shared = OnRedis() if settings.redis_url else None


def clear() -> int:
    """Forget everything that is kept on Redis; return how many values that were. Raise RedisAway if it is away."""
    if _shared is None:
        raise NothingShared
    return _shared.clear()


class _Answer(NamedTuple, Generic[T]):
    value: T


class Cached(Generic[P, T]):
    """A function whose value is kept for some seconds by its arguments."""

    def __init__(self, function: Callable[P, T], name: str, *, seconds: float, version: int) -> None:
        update_wrapper(self, function)
        self._function = function
        self._signature = inspect.signature(function)
        self._name = name
        self._seconds = seconds
        self._version = version

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return a value that is at most so many seconds old, or twice that while another renews it."""
        if db.is_changing():  # what is computed now may be rolled back, and what is kept lacks it
            return self._function(*args, **kwargs)

        def compute() -> T:
            return self._function(*args, **kwargs)

        name = self._name_of(*args, **kwargs)
        if _shared is not None and _pay_debts(_shared):
            found = self._find(_shared, name, self._seconds, compute)
            if found is not None:
                return found.value
        # Others cannot tell this process alone what is no longer true, so that it must not believe it for long.
        seconds = self._seconds if _shared is None else min(self._seconds, _ALONE_SECONDS)
        found = self._find(_here, name, seconds, compute)
        return compute() if found is None else found.value

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Have the value of these arguments computed anew, once the present unit of work is committed."""
        name = self._name_of(*args, **kwargs)
        db.once_committed(lambda: _invalidate(name, 2 * self._seconds))

    def _find(self, store: Store, name: str, seconds: float, compute: Callable[[], T]) -> _Answer[T] | None:
        """Return the value, computed here if nobody else does; None if the store is away."""
        key = f"{self._shape}:{name}"
        ends, pause = time.monotonic() + _WAIT_SECONDS, _POLL_SECONDS[0]
        while (kept := store.read(name, key)) is not None:
            answer = self._read(kept)
            if answer is not None and kept.is_fresh(seconds):
                return self._counted(answer, hit=True)
            with store.alone(f"{key}:{kept.token}") as ours:
                if ours or time.monotonic() >= ends:
                    return self._compute(store, name, key, seconds, compute)
            if answer is not None:
                return self._counted(answer, hit=True)
            time.sleep(pause)
            pause = min(2 * pause, _POLL_SECONDS[1])
        return None

    def _compute(
        self, store: Store, name: str, key: str, seconds: float, compute: Callable[[], T]
    ) -> _Answer[T] | None:
        kept = store.read(name, key)  # again: the one before us may have come to its end just now
        if kept is None:
            return None
        answer = self._read(kept)
        if answer is not None and kept.is_fresh(seconds):
            return self._counted(answer, hit=True)
        began = time.monotonic()
        value = compute()
        if time.monotonic() - began < TOKEN_SECONDS:
            # Not all at the same moment, though all began with a restart.
            fresh = seconds * random.uniform(0.9, 1.0)  # noqa: S311 -- nothing to guess
            store.write(Entry(key, kept.token, self._adapter.dump_json(value), fresh, 2 * seconds))
        return self._counted(_Answer(value), hit=False)

    def _counted(self, answer: _Answer[T], *, hit: bool) -> _Answer[T]:
        metrics.cache(self._name, hit=hit)
        return answer

    def _read(self, kept: Kept) -> _Answer[T] | None:
        """Read a value strictly; one that is not of our shape is none."""
        if kept.body is None:
            return None
        try:
            return _Answer(self._adapter.validate_json(kept.body))
        except ValidationError:
            return None

    def _name_of(self, *args: P.args, **kwargs: P.kwargs) -> str:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return f"{self._name}:{_digest(to_json(bound.arguments))}"

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(get_type_hints(self._function)["return"])

    @cached_property
    def _shape(self) -> str:
        """Name the shape of the values, so that another release, which has another, does not read them."""
        return _digest(to_json([self._version, self._adapter.json_schema()]))


def cached(name: str, *, seconds: float, version: int = 1) -> Callable[[Callable[P, T]], Cached[P, T]]:
    """Keep the values of a function by its arguments, all of which JSON can say.

    The declared type of its answer is what is read back. Raise ``version`` when the same shape begins to mean
    something else; another shape is told apart by itself.
    """
    return lambda function: Cached(function, name, seconds=seconds, version=version)


def _invalidate(name: str, kept: float) -> None:
    _here.invalidate(name)
    if _shared is None:
        return
    try:
        _shared.invalidate(name, kept)
    except redis.RedisAway:
        with _owed_lock:
            _owed[name if len(_owed) < _OWED else _EVERYTHING] = kept


def _pay_debts(store: OnRedis) -> bool:
    """Tell Redis what became untrue while it was away; return whether it knows, until when it must not be believed."""
    if not _owed:
        return True
    with _owed_lock, suppress(redis.RedisAway):
        for name, kept in list(_owed.items()):
            store.clear() if name == _EVERYTHING else store.invalidate(name, kept)
            del _owed[name]
    return not _owed


def _digest(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=12).hexdigest()
