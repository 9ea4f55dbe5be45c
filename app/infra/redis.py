"""Redis, which may be absent: nothing that must not be lost or wrong depends on it.

After a failure it is left alone for some seconds, so that its absence costs one time-out and not one a request.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from app.core.config import Settings
from app.infra import metrics, seldom, tracing
from app.infra.redis_library import NoBackoff, Retry, redis

log = logging.getLogger(__name__)

T = TypeVar("T")
Client = Any
"""redis.Redis, whose stubs return Awaitable | Any for everything."""

_REST_SECONDS = 30.0

_SIGN, _SIGN_SECONDS = "carboy:ping", 60

_client: redis.Redis | None = None
_rests_until = 0.0


class RedisAway(Exception):
    """Redis does not answer; go on without."""


def connect(settings: Settings) -> None:
    """Make the client. Opens no connection."""
    global _client, _rests_until  # noqa: PLW0603 -- one Redis for each process, known after assembly
    _rests_until = 0.0
    _client = None
    seldom.forget()
    if settings.redis_url:
        _client = redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=settings.redis_seconds,
            socket_connect_timeout=settings.redis_seconds,
            # One more try, as the first may meet a connection that a restart closed; none after a time-out.
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )
        tracing.watch_redis(_client)


def is_configured() -> bool:
    """Tell whether this world has a Redis at all."""
    return _client is not None


def ask(action: Callable[[Client], T]) -> T:
    """Return what the action returns, or raise RedisAway at once or within the time limit."""
    global _rests_until  # noqa: PLW0603 -- how long it is left alone
    if _client is None or time.monotonic() < _rests_until:
        raise RedisAway
    try:
        answer = action(_client)
    except redis.RedisError as error:
        metrics.redis_command("failure")
        _rests_until = time.monotonic() + _REST_SECONDS
        seldom.warn(log, "redis does not answer; going on without it", error=type(error).__name__)
        raise RedisAway from error
    metrics.redis_command("success")
    return answer


def ping() -> None:
    """Write something; an answer ends the rest. One that is full, or a copy, answers PING and takes nothing."""
    global _rests_until  # noqa: PLW0603 -- it is back
    _rests_until = 0.0
    ask(lambda client: client.set(_SIGN, 1, ex=_SIGN_SECONDS))
