"""A process that asks for a cached value, tells how long it took, and counts on Redis how often it was computed."""

import sys
import time

from app.core.config import load
from app.infra import cache, redis
from app.infra.cache import cached

name, seconds = sys.argv[1], float(sys.argv[2])


@cached(name, seconds=60)
def compute() -> int:
    redis.ask(lambda client: client.incr(f"{name}:runs"))
    time.sleep(seconds)
    return 42


if __name__ == "__main__":
    settings = load(env_file=None)
    redis.connect(settings)
    cache.connect(settings)
    began = time.monotonic()
    print(compute())  # noqa: T201 -- what it is asked for
    took = time.monotonic() - began
    redis.ask(lambda client: client.set(f"{name}:took", took))
