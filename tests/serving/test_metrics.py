"""Counters over real workers that are killed while they count."""

import os
import re
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

import pytest

from tests.live import LiveServer, free_port, running, wait_until
from tests.serving.conftest import Kind
from tests.serving.http import send
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="their time is spent once, in the services world"),
]

PORT = str(free_port())
HITS = 300
URLS = int(os.environ.get("CARBOY_TEST_URLS", "500"))
KILLS = int(os.environ.get("CARBOY_TEST_KILLS", "2"))
CLIENTS = 4
SETTLED_SECONDS = 7


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


def folder_of(server: LiveServer) -> Path:
    return server.log.parent / "metrics" / server.url.rsplit(":", 1)[1]


def workers(server: LiveServer) -> set[int]:
    """Return the processes of the server that count requests."""
    files = [path for path in folder_of(server).glob("counter_[0-9]*.db") if counts_requests(path)]
    return {pid for pid in (int(path.stem[8:]) for path in files) if Path(f"/proc/{pid}").exists()}


def counts_requests(path: Path) -> bool:
    with suppress(FileNotFoundError):  # a worker that starts adds it to the others
        return b"http_requests" in path.read_bytes()
    return False


def age(pid: int) -> float:
    """Return for how many seconds a process runs, 0 if it does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    return 0.0


def kill_one(server: LiveServer) -> int:
    """Kill the oldest worker that counted, and wait until its parent has noticed.

    Not one that has hardly begun: Granian takes that for a fault that will not go away, and ends.
    """
    wait_until(lambda: any(age(pid) > SETTLED_SECONDS for pid in workers(server)))
    killed = max(workers(server), key=age)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{killed}").exists())
    return killed


class Load:
    """Clients that ask on and on; knows how many answers came, and how many did not."""

    def __init__(self, url: str) -> None:
        self.answered = self.broken = 0
        self._url, self._lock, self._ends = url, Lock(), Event()
        self._threads = [Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self) -> None:
        """Return once ten more answers came."""
        wanted = self.answered + 10
        wait_until(lambda: self.answered >= wanted)

    def _ask(self) -> None:
        while not self._ends.is_set():
            try:
                answered = send(self._url).status == 200
            except (OSError, HTTPException):
                answered = False
            with self._lock:
                self.answered += answered
                self.broken += not answered


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
            kill_one(server)
        hit(f"{server.url}/healthz", 1)

        counted = value(sample) - before
        timed = value('http_request_duration_seconds_count{endpoint="/healthz",method="GET"}')
        assert counted == HITS + 1
        assert timed == counted + before

    def test_add_up_while_workers_are_killed_at_their_work(self, server: LiveServer) -> None:
        labels = 'endpoint="/healthz",method="GET"'
        before = value(f'http_requests_total{{{labels},status="200"}}')

        with Load(f"{server.url}/healthz") as load:
            for _ in range(KILLS):
                load.goes_on()
                kill_one(server)
                exposed()
            load.goes_on()

        # A worker that is killed between counting and sending was counted, and its answer never came.
        counted = value(f'http_requests_total{{{labels},status="200"}}')
        assert load.answered <= counted - before <= load.answered + load.broken
        # One that is killed between counting and timing never answers either.
        timed = value(f"http_request_duration_seconds_count{{{labels}}}")
        assert counted - load.broken <= timed <= counted
        assert value('http_request_duration_seconds_bucket{endpoint="/healthz",le="+Inf",method="GET"}') == timed
        assert 0 < value(f"http_request_duration_seconds_sum{{{labels}}}") < counted * 60

    def test_of_killed_workers_are_kept_in_one_file_of_each_kind(self, server: LiveServer) -> None:
        hit(f"{server.url}/healthz", 20)
        killed = kill_one(server)

        exposed()

        names = [path.name for path in folder_of(server).glob("*.db")]
        assert len([name for name in names if "_sum-" in name]) == 2
        assert [name for name in names if name.endswith(f"_{killed}.db")] == []

    def test_of_unknown_addresses_and_methods_share_one_label(self, server: LiveServer) -> None:
        found = Counter[str]()
        for number in range(URLS):
            found[str(send(f"{server.url}/nowhere/{number}").status)] += 1
            send(f"{server.url}/nowhere/{number}", f"X{number}")
            send(f"{server.url}/healthz", f"X{number}")

        samples = [line for line in exposed().splitlines() if line.startswith("http_requests_total")]
        assert found == {"404": URLS}
        assert [line for line in samples if "nowhere" in line or 'method="X' in line] == []
        assert len([line for line in samples if 'method="other"' in line]) <= 2
        assert value('http_requests_total{endpoint="unmatched",method="GET",status="404"}') == URLS

    def test_gauges_of_dead_workers_are_forgotten(self, server: LiveServer) -> None:
        hit(f"{server.url}/readiness", 5)
        killed = kill_one(server)

        exposed()

        assert list(folder_of(server).glob(f"gauge_live*_{killed}.db")) == []

    def test_are_not_at_the_port_of_the_api(self, server: LiveServer) -> None:
        assert send(f"{server.url}/metrics").status == 404
