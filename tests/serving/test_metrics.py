"""Counters over real workers that are killed while they count."""

import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live import LiveServer, free_port, running
from tests.serving.conftest import Kind
from tests.serving.http import send

pytestmark = [pytest.mark.serving, pytest.mark.slow]

PORT = str(free_port())
HITS, URLS = 300, 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[LiveServer]:
    with running(Path(tmp_path_factory.mktemp("metrics")), kind, METRICS_PORT=PORT, WORKERS="2") as started:
        yield started


def exposed() -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def value(name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", exposed(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def workers(server: LiveServer) -> set[int]:
    """Return the processes of the server that count requests."""
    folder = server.log.parent / "metrics" / server.url.rsplit(":", 1)[1]
    counting = {int(path.stem.rsplit("_", 1)[1]) for path in folder.glob("counter_*.db")}
    return {pid for pid in counting if Path(f"/proc/{pid}").exists()} - {server.process.pid}


def hit(url: str, times: int) -> int:
    """Ask until so many answers came; what a killed worker did not answer is not counted."""
    answered, ends = 0, time.monotonic() + 60
    while answered < times:
        assert time.monotonic() < ends, f"{answered} of {times} answers"
        with suppress(OSError):
            answered += send(url).status < 500
    return answered


class TestCounters:
    def test_add_up_over_workers_that_are_killed(self, server: LiveServer) -> None:
        sample = 'http_requests_total{endpoint="/healthz",method="GET",status="200"}'
        before = value(sample)

        for _ in range(3):
            hit(f"{server.url}/healthz", HITS // 3)
            os.kill(min(workers(server)), signal.SIGKILL)
        hit(f"{server.url}/healthz", 1)

        counted = value(sample) - before
        timed = value('http_request_duration_seconds_count{endpoint="/healthz",method="GET"}')
        assert counted == HITS + 1
        assert timed == counted + before

    def test_of_unknown_addresses_share_one_label(self, server: LiveServer) -> None:
        for number in range(URLS):
            send(f"{server.url}/nowhere/{number}")

        samples = [line for line in exposed().splitlines() if line.startswith("http_requests_total")]

        assert [line for line in samples if "nowhere" in line] == []
        assert value('http_requests_total{endpoint="unmatched",method="GET",status="404"}') == URLS

    def test_gauges_of_dead_workers_are_forgotten(self, server: LiveServer) -> None:
        hit(f"{server.url}/readiness", 5)
        killed = min(workers(server))
        os.kill(killed, signal.SIGKILL)
        ends = time.monotonic() + 30
        while Path(f"/proc/{killed}").exists():  # until its parent has noticed
            assert time.monotonic() < ends

        exposed()

        folder = server.log.parent / "metrics" / server.url.rsplit(":", 1)[1]
        assert list(folder.glob(f"gauge_live*_{killed}.db")) == []
        assert list(folder.glob(f"counter_{killed}.db"))

    def test_are_not_at_the_port_of_the_api(self, server: LiveServer) -> None:
        assert send(f"{server.url}/metrics").status == 404
