import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from app.infra import metrics, metrics_files
from tests.features.auth.together import at_once

DEAD = 10_000_000
"""Above what any system gives to a process."""

ASKED = 'http_requests_total{endpoint="/",method="GET",status="200"}'
SECONDS = "http_request_duration_seconds"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of counters, which this process counts into."""
    metrics.start(tmp_path)
    yield tmp_path
    metrics.stop()


def count(folder: Path, pid: int, number: float = 1) -> None:
    """Count requests and their time as a process of this number does."""
    _add(folder / f"counter_{pid}.db", ("http_requests_total", "http_requests_total"), {}, number)
    for le in ("0.1", "1.0", "+Inf"):
        _add(folder / f"histogram_{pid}.db", (SECONDS, f"{SECONDS}_bucket"), {"le": le}, number if le == "1.0" else 0)
    _add(folder / f"histogram_{pid}.db", (SECONDS, f"{SECONDS}_sum"), {}, number / 2)
    _add(folder / f"gauge_livesum_{pid}.db", ("database_connections_idle",) * 2, {}, 5)


def _add(path: Path, name: tuple[str, str], more: dict[str, str], number: float) -> None:
    labels = {"method": "GET", "endpoint": "/", **({} if "seconds" in name[0] else {"status": "200"}), **more}
    key = mmap_key(*name, list(labels), list(labels.values()), "")
    file: Any = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    file.write_value(key, file.read_value(key)[0] + number, 0.0)
    file.close()


def value(sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", metrics.exposition().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def files(folder: Path, pattern: str = "*.db") -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


class TestDeadProcesses:
    def test_what_they_counted_is_added_up(self, folder: Path) -> None:
        for pid in range(DEAD, DEAD + 3):
            count(folder, pid, 2)
        first = value(ASKED)
        count(folder, DEAD + 3, 4)

        assert (first, value(ASKED)) == (6, 10)

    def test_of_histograms_too(self, folder: Path) -> None:
        for pid in range(DEAD, DEAD + 3):
            count(folder, pid, 2)
            metrics.exposition()

        labels = 'endpoint="/",method="GET"'
        buckets = [value(f'{SECONDS}_bucket{{endpoint="/",le="{le}",method="GET"}}') for le in ("0.1", "1.0", "+Inf")]
        assert buckets == [0, 6, 6]
        assert value(f"{SECONDS}_count{{{labels}}}") == 6
        assert value(f"{SECONDS}_sum{{{labels}}}") == 3

    def test_leave_one_file_of_each_kind(self, folder: Path) -> None:
        for pid in range(DEAD, DEAD + 20):
            count(folder, pid)
            count(folder, pid + 100)
            metrics.exposition()

        mine = str(os.getpid())
        assert [name for name in files(folder) if mine not in name] == ["counter_sum-20.db", "histogram_sum-20.db"]

    def test_are_added_up_by_the_next_worker_though_nobody_asks(self, folder: Path) -> None:
        count(folder, DEAD)

        metrics.start(folder)

        assert "counter_sum-1.db" in files(folder)

    def test_of_the_same_number_count_both(self, folder: Path) -> None:
        count(folder, DEAD, 2)
        first = value(ASKED)
        count(folder, DEAD, 3)

        assert (first, value(ASKED)) == (2, 5)

    def test_their_gauges_are_forgotten(self, folder: Path) -> None:
        count(folder, DEAD)

        assert value('database_connections_idle{endpoint="/",method="GET",status="200"}') == 0
        assert files(folder, f"gauge_*_{DEAD}.db") == []

    def test_one_that_was_killed_while_it_made_its_file_is_nothing(self, folder: Path) -> None:
        count(folder, DEAD, 2)
        (folder / f"counter_{DEAD + 1}.db").touch()

        assert value(ASKED) == 2
        assert value(ASKED) == 2

    def test_what_cannot_be_read_is_said_and_left_out(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        count(folder, DEAD, 2)
        (folder / f"counter_{DEAD + 1}.db").write_bytes(b"\x40\0\0\0\0\0\0\0\xff\xff\xff\x7f" + bytes(100))

        assert (value(ASKED), value(ASKED)) == (2, 2)
        assert [record.message for record in caplog.records] == ["what a process counted cannot be read"]

    def test_the_living_keep_their_files(self, folder: Path) -> None:
        metrics.request("GET", "/", 200, 0.5)
        metrics.exposition()
        metrics.request("GET", "/", 200, 0.5)

        assert value(ASKED) == 2
        assert f"counter_{os.getpid()}.db" in files(folder)

    def test_a_new_run_begins_from_zero(self, folder: Path) -> None:
        count(folder, DEAD, 2)
        metrics.exposition()

        metrics.clear(folder)

        assert files(folder) == []


class TestKilledInTheMiddle:
    @pytest.mark.parametrize("step", range(1, 17))
    def test_nothing_is_lost_or_counted_twice(self, folder: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
        count(folder, DEAD, 1)
        metrics.exposition()
        count(folder, DEAD, 2)
        count(folder, DEAD + 1, 4)
        with monkeypatch.context() as patch:
            steps = _die_at(patch, step)
            with pytest.raises(Killed):
                metrics.exposition()
        assert steps == [step]
        count(folder, DEAD, 8)  # a process that is given the number of one before

        found = [(value(ASKED), value(f'{SECONDS}_sum{{endpoint="/",method="GET"}}')) for _ in range(2)]

        assert found == [(15, 7.5)] * 2
        assert len(files(folder, "*_sum-*")) == 2
        assert files(folder, "*_left-*") + files(folder, "*.tmp") == []


def _die_at(patch: pytest.MonkeyPatch, step: int) -> list[int]:
    """End the process before so many changes to the folder were made."""
    made = [0]

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def change_or_die(*given: Any, **named: Any) -> Any:
            made[0] += 1
            if made[0] == step:
                raise Killed
            return change(*given, **named)

        return change_or_die

    for name in ("rename", "replace", "unlink"):
        patch.setattr(Path, name, dying(getattr(Path, name)))
    return made


class TestTogether:
    def test_many_who_ask_while_processes_end_see_every_count(self, folder: Path) -> None:
        for pid in range(DEAD, DEAD + 40):
            count(folder, pid)

        found = at_once(8, lambda _: value(ASKED))

        assert found == [40] * 8


class TestSize:
    def test_two_hundred_dead_workers_cost_whoever_asks_no_more_than_one(self, folder: Path) -> None:
        count(folder, DEAD)
        for pid in range(DEAD + 1, DEAD + 200):
            for kind in ("counter", "histogram"):
                (folder / f"{kind}_{pid}.db").write_bytes((folder / f"{kind}_{DEAD}.db").read_bytes())
        unmerged = _seconds(lambda: list(MultiProcessCollector.merge([str(path) for path in folder.glob("*.db")])))  # type: ignore[no-untyped-call]

        total = value(ASKED)
        merged = _seconds(metrics.exposition)

        assert total == 200
        assert len(files(folder)) <= 6
        assert merged < unmerged


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def test_waits_for_who_gathers_now(folder: Path) -> None:
    count(folder, DEAD, 2)
    with metrics_files.gathered(folder) as first:
        held = len(first)

    with metrics_files.gathered(folder) as second:
        assert len(second) == held
