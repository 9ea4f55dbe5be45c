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


def repeat(folder: Path, *, since: datetime, erase: Callable[[int], bool]) -> int:
    """Erase everybody again who was erased since; return how many there were."""
    erased = 0
    for user_id in sorted(set(_since(folder / _FILE, since))):
        try:
            erased += erase(user_id)
        except Failure as failure:
            log.warning("nobody was erased again", extra={"user": user_id, "code": failure.code})
    return erased


def _since(path: Path, since: datetime) -> Iterator[int]:
    for line in path.read_text().splitlines() if path.is_file() else ():
        at, _, user_id = line.partition(" ")
        if user_id.isdecimal() and datetime.fromisoformat(at) > since:
            yield int(user_id)
