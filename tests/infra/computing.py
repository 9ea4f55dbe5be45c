"""Processes that ask for the same cached value at once, and count on Redis how often it was computed."""

import os
import sys

from app.core.config import load
from app.infra import cache, redis
from app.infra.cache import Cached, cached
from tests.infra.adder import take


def computing(name: str, *, seconds: float) -> Cached[[], int]:
    """Return a function that is slow, and tells Redis who runs it."""

    @cached(name, seconds=60)
    def compute() -> int:
        redis.ask(lambda client: client.rpush(f"{name}:runs", os.getpid()))
        take(seconds)
        return 42

    return compute


def runs(name: str) -> list[int]:
    """Return the processes that computed it."""
    return [int(pid) for pid in redis.ask(lambda client: client.lrange(f"{name}:runs", 0, -1))]


if __name__ == "__main__":
    compute = computing(sys.argv[1], seconds=float(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        if os.fork() == 0:
            settings = load(env_file=None)
            redis.connect(settings)
            cache.connect(settings)
            os._exit(compute())
    for _ in range(int(sys.argv[3])):
        print(os.waitstatus_to_exitcode(os.wait()[1]))  # noqa: T201 -- what it is asked for
