"""Who was erased, beside the backups that still hold them: a number and a time on a line of ``BACKUP_DIR/erased``.

The database of an older backup cannot know of it; who restores one erases them again.
"""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from app.core import clock
from app.core.errors import Failure

log = logging.getLogger(__name__)

_FILE = "erased"


def note(folder: Path, user_id: int) -> None:
    """Add a line; one write, so that lines of others stay whole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / _FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, f"{clock.rfc3339(clock.now())} {user_id}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def count(folder: Path) -> int:
    """Return how many lines there are."""
    return len(_lines(folder))


def repeat(folder: Path, *, since: datetime, erase: Callable[[int], bool], behind: int | None = None) -> int:
    """Erase everybody again who was erased since, or stands ``behind`` so many lines; return how many there were.

    Times alone would miss whom a clock erased that was set back meanwhile.
    """
    erased = 0
    for user_id in sorted(set(_since(_lines(folder), since, behind))):
        try:
            erased += erase(user_id)
        except Failure as failure:
            log.warning("nobody was erased again", extra={"user": user_id, "code": failure.code})
    return erased


def _lines(folder: Path) -> list[str]:
    path = folder / _FILE
    return path.read_text().splitlines() if path.is_file() else []


def _since(lines: list[str], since: datetime, behind: int | None) -> Iterator[int]:
    for number, line in enumerate(lines):
        at, _, user_id = line.partition(" ")
        later = behind is not None and number >= behind
        if user_id.isdecimal() and (later or datetime.fromisoformat(at) > since):
            yield int(user_id)
