"""The files that processes count into. Those of processes that ended are added up into one of each kind.

So nothing is lost with a worker, and neither the folder nor the time to read it grows with how many there ever were.
Whoever is killed in the middle of adding up leaves what the next one understands: a sum has a number, and says by it
which files are in it already.
"""

import fcntl
import logging
import os
import re
import secrets
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_KINDS = ("counter", "histogram")
_BYTES = 1024 * 1024
"""What the library makes its files of, with holes for what was not written yet."""

_OF_A_PROCESS = re.compile(r"(?:counter|histogram|gauge_live[a-z]*)_(\d+)\.db")
_NUMBERED = re.compile(r"[a-z]+_(?:sum|left)-(\d+)[^/]*\.db")


@contextmanager
def gathered(folder: Path) -> Iterator[list[str]]:
    """Yield the files that count now, after those of dead processes were added up. One at a time does this."""
    with _alone(folder):
        dead = _of_dead_processes(folder)
        for path in dead:
            if path.name.startswith("gauge_"):
                path.unlink(missing_ok=True)
        for kind in _KINDS:
            _add_up(folder, kind, [path for path in dead if path.name.startswith(kind)])
        yield [str(path) for path in folder.glob("*.db") if path.stat().st_size]  # none that is being made just now


class _NoRoom(dict[str, tuple[float, float]]):
    """Counts that no file has room for; nobody reads them."""

    def read_value(self, key: str) -> tuple[float, float]:
        return self.get(key, (0.0, 0.0))

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        self[key] = value, timestamp

    def close(self) -> None:
        self.clear()


def opened(name: str) -> Any:  # noqa: ANN401 -- the library's, which has no types
    """Open a file to count into. Its room is taken first: who writes to a hole when the disk is full is killed."""
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 -- once metrics are wanted

    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, _BYTES)
        finally:
            os.close(descriptor)
        return MmapedDict(name)  # type: ignore[no-untyped-call]
    except OSError as error:
        log.warning("no room for what this process counts", extra={"error": type(error).__name__})
        Path(name).unlink(missing_ok=True)
        return _NoRoom()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which releases it


def _of_dead_processes(folder: Path) -> list[Path]:
    named = ((path, _OF_A_PROCESS.fullmatch(path.name)) for path in folder.glob("*.db"))
    return [path for path, found in named if found and not _is_alive(int(found[1]))]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _add_up(folder: Path, kind: str, dead: list[Path]) -> None:
    """Make the next sum of the last one and what was left since. The new one's appearance is the moment it counts."""
    number = max((_number(path) for path in folder.glob(f"{kind}_sum-*.db")), default=0)
    for path in [*folder.glob(f"{kind}_left-*.db"), *folder.glob(f"{kind}_sum-*.db")]:
        if _number(path) < number or (_number(path) == number and "_left-" in path.name):
            path.unlink()  # in the sum of this number, whose maker could not clear up any more
    for path in dead:  # out of the way of a process that is given the same number
        path.rename(folder / f"{kind}_left-{number + 1}-{secrets.token_hex(8)}.db")
    left = list(folder.glob(f"{kind}_left-*.db"))
    if not left:
        return
    parts = [*folder.glob(f"{kind}_sum-*.db"), *left]
    _write(parts, folder / f"{kind}_sum-{number + 1}.db")
    for path in parts:
        path.unlink()


def _number(path: Path) -> int:
    found = _NUMBERED.fullmatch(path.name)
    return int(found[1]) if found else 0


def _write(parts: list[Path], target: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 -- once metrics are wanted

    values: defaultdict[str, float] = defaultdict(float)
    for path in parts:
        for key, value in _read(path):
            values[key] += value
    unfinished = target.with_suffix(".tmp")
    unfinished.unlink(missing_ok=True)
    written = MmapedDict(str(unfinished))  # type: ignore[no-untyped-call]
    for key, value in values.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    unfinished.replace(target)


def _read(path: Path) -> list[tuple[str, float]]:
    """Return what a process counted; what cannot be read, as when it was killed while it made the file, is nothing."""
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 -- as above

    try:
        found = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
        return [(key, value) for key, value, *_ in found]
    except (struct.error, RuntimeError, ValueError):
        if path.stat().st_size:
            log.warning("what a process counted cannot be read", extra={"file": path.name})
        return []
