"""The machine: which cores there are, what a process used of them, how much memory it holds."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_MEBIBYTE = 1024 * 1024
_IDLE = {3, 4}  # idle and iowait, among the columns of /proc/stat


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server under test, the others for all else. Empty sets: nothing can be pinned here."""

    server: frozenset[int]
    others: frozenset[int]

    @property
    def apart(self) -> bool:
        """Tell whether the server has a core of its own."""
        return bool(self.server)


def cores() -> Cores:
    """Share out the cores that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(frozenset(), frozenset())
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) == 1:
        return Cores(frozenset(), frozenset())
    return Cores(frozenset(usable[-1:]), frozenset(usable[:-1]))


@contextmanager
def on(chosen: frozenset[int]) -> Iterator[None]:
    """Run what is inside, and every process started there, on these cores."""
    if not chosen:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it; nothing without ``/proc``."""
    if not (_PROC / str(pid) / "stat").exists():
        return []
    parents = {int(place.name): _stat(place)[1] for place in _PROC.glob("[0-9]*") if _stat(place)}
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == str(member)]
    return found


def cpu_seconds(pids: list[int]) -> float | None:
    """Return the processor time that these processes used so far; None where nobody tells."""
    ticks = [int(fields[11]) + int(fields[12]) for pid in pids if (fields := _stat(_PROC / str(pid)))]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def busy_seconds(chosen: frozenset[int]) -> float:
    """Return how long these cores worked so far, whoever for (proc(5): ``/proc/stat``); 0 where nobody tells."""
    try:
        lines = (_PROC / "stat").read_text().splitlines()
    except OSError:
        return 0.0
    fields = [words for line in lines if (words := line.split())[0] in {f"cpu{core}" for core in chosen}]
    ticks = sum(int(word) for words in fields for place, word in enumerate(words[1:9]) if place not in _IDLE)
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mebibytes(pids: list[int]) -> float | None:
    """Return the resident memory of a family's worker: its largest member, but for the first, who supervises."""
    pages = [int(fields[21]) for pid in pids[1:] if (fields := _stat(_PROC / str(pid)))]
    return max(pages) * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE if pages else None


def memories_mebibytes(pids: list[int]) -> list[float]:
    """Return the resident memory of each process but the first, who supervises; nothing where nobody tells."""
    pages = [int(fields[21]) for pid in pids[1:] if (fields := _stat(_PROC / str(pid)))]
    return [number * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE for number in pages]


def _stat(place: Path) -> list[str]:
    """Return the fields of ``/proc/<pid>/stat`` from the third on (proc(5)); nothing of a process that ended."""
    try:
        return (place / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def microseconds(call: Callable[[], object], times: int, clock: Callable[[], float] = time.thread_time) -> float:
    """Return what a call takes of the processor, called so many times: on this thread, or as the clock says."""
    started = clock()
    for _ in range(times):
        call()
    return (clock() - started) / times * 1e6
