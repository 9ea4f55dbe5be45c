"""redis-py without OpenTelemetry.

Wherever that is installed, redis-py imports sixty modules of it (2 MB) for metrics of its own, wanted or not. While it
is imported here, it finds none.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # documented: an import of it fails
    try:
        yield
    finally:
        del sys.modules[package]


with _hidden("opentelemetry"):
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

__all__ = ["NoBackoff", "Retry", "redis"]
