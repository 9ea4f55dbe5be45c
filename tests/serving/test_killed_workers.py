"""Workers that somebody kills, be it for their memory: their server begins others, and lives on."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live import LiveServer, running, wait_until
from tests.serving.conftest import Kind
from tests.serving.http import Reply, send
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="it takes long, and the database has no part in it"),
]

WORKERS = 1


@dataclass
class Seen:
    """What a server answered after its workers were killed, twice within seconds, and then while it drained."""

    killed: Reply
    draining: Reply
    code: int


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[Seen]:
    folder = Path(tmp_path_factory.mktemp("killed"))
    with running(folder, kind, WORKERS=str(WORKERS), DRAIN_SECONDS="120") as server:
        for _ in range(2):
            kill_all(server)
        killed = send(f"{server.url}/health")
        server.process.send_signal(signal.SIGTERM)
        kill_all(server)
        draining = send(f"{server.url}/health")
        server.process.send_signal(signal.SIGTERM)
        yield Seen(killed, draining, server.process.wait(30))


def kill_all(server: LiveServer) -> None:
    """Kill every worker, and wait until there are as many others."""
    before = workers_of(server)
    for worker in before:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(workers_of(server) - before) == WORKERS, lambda: server.output)


def workers_of(server: LiveServer) -> set[int]:
    found = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=False)
    return set(map(int, found.stdout.split()))


class TestWorkersThatAreKilled:
    def test_twice_within_seconds_are_followed_by_others(self, seen: Seen) -> None:
        assert seen.killed.status == 200

    def test_while_the_instance_drains_are_followed_by_others(self, seen: Seen) -> None:
        assert (seen.draining.status, seen.draining.headers["Connection"]) == (200, "close")

    def test_make_no_failure_of_its_end(self, seen: Seen) -> None:
        assert seen.code == 0
