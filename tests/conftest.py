import gc
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples

from app.core import clock as system_clock
from app.infra import logs
from tests import canary
from tests.api import Api
from tests.canary import places
from tests.live import LiveServer, running
from tests.world import World

_LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0"}  # noqa: S104 -- compared with, not bound to


# How long an example takes says how busy the machine is, and nothing of the code.
examples.register_profile(
    "carboy", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
examples.load_profile("carboy")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests: begun last, one of them would keep a single core busy at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Leave what was collected out of every later round of the garbage collector: it took a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def the_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.make(tmp_path_factory.mktemp("var"))


@pytest.fixture
def world(request: pytest.FixtureRequest, the_world: World, keeper: canary.Keeper) -> Iterator[World]:
    """The application on its database; whatever a test does to it is undone."""
    yield the_world
    try:
        the_world.come_back()
        canary.complain(request.node.nodeid, places.leaks_inside(keeper, the_world))
    finally:
        the_world.reset()


@pytest.fixture
def api(world: World) -> Api:
    """A client that is not signed in."""
    return Api(world.app)


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Remember the log instead of printing it."""
    written: list[bytes] = []
    monkeypatch.setattr(logs, "write", written.append)
    return written


@pytest.fixture(autouse=True)
def keeper(
    request: pytest.FixtureRequest, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[canary.Keeper]:
    """Remember every secret that passes, and fail a test after which one stands in the log or in an answer."""
    canary.keeper.forget()
    canary.install(monkeypatch)
    yield canary.keeper
    canary.complain(request.node.nodeid, places.leaks_outside(canary.keeper, lines))


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)

    def advance(self, **by: float) -> None:
        self.at += timedelta(**by)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the clock that every floor reads."""
    stopped = Clock()
    monkeypatch.setattr(system_clock, "now", stopped.now)
    return stopped


@pytest.fixture(autouse=True)
def _no_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in _LOOPBACK:
            raise AssertionError(f"a test connects to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The real server as a process of its own, on an SQLite database of its own."""
    with running(Path(tmp_path_factory.mktemp("live"))) as server:
        yield server
