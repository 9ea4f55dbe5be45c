"""Neighbours that fail while many ask, and what the probes say meanwhile."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from threading import Event, Thread

from tests import servers
from tests.serving.http import Reply, send

PROBES = 25
_PAUSE_SECONDS = 0.1


def freeze(server: servers.Server) -> None:
    server.freeze()


def stop(server: servers.Server) -> None:
    server.stop()


def kill(server: servers.Server) -> None:
    server.kill()


def mend(server: servers.Server) -> None:
    """Let a server go on, whatever was done to it."""
    if server._is_frozen:
        server.thaw()
    elif server._process is None:
        server.start()


@contextmanager
def crowd(ask_once: Callable[[], Reply], *, clients: int) -> Iterator[Counter[int]]:
    """Keep so many clients asking; yield how often which status came (0: none)."""
    ended, seen = Event(), Counter[int]()

    def ask() -> None:
        while not ended.wait(_PAUSE_SECONDS):
            status = 0
            with suppress(OSError, HTTPException):
                status = ask_once().status
            seen[status] += 1

    threads = [Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join(15)


def health_milliseconds(url: str) -> list[float]:
    """Ask for health again and again; return how long each answer took."""
    return [timed(lambda: send(f"{url}/health"))[1] * 1000 for _ in range(PROBES)]


def median(milliseconds: list[float]) -> float:
    return statistics.median(milliseconds)


def timed(ask: Callable[[], Reply]) -> tuple[Reply, float]:
    started = time.monotonic()
    reply = ask()
    return reply, time.monotonic() - started
