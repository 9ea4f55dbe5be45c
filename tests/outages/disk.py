"""A disk that can be filled: a small file system in memory, which only root may mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

_BLOCK = 4096


@contextmanager
def disk(megabytes: int) -> Iterator[Path]:
    """Mount it; it is gone at the end, with what is on it."""
    place = Path(mkdtemp(prefix="carboy-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)
        place.rmdir()


def can_mount() -> bool:
    """Tell whether we may."""
    if os.geteuid() != 0:
        return False
    try:
        with disk(1):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def fill(place: Path) -> None:
    """Leave no byte free."""
    with (place / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(_BLOCK))


def clear(place: Path) -> None:
    """Give the room back."""
    (place / "ballast").unlink(missing_ok=True)
