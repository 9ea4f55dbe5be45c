"""The folder of backups: whose turn it is, what lies there, and what has been there long enough."""

import os
import re
import secrets
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from app.core import age, clock, config
from app.core.config import Settings
from app.core.errors import Conflict, NotFound
from app.core.keyring import Keyring
from app.infra import archive, dumps, lockfile

_SUFFIX = ".tar.gz.age"
_NAME = re.compile(r"carboy-(\d{8}T\d{6}Z)-[0-9a-f]{6}\.tar\.gz\.age")
_TIME = "%Y%m%dT%H%M%SZ"
_WORK = ".work-"


class BackupRunning(Conflict):
    """Only one at a time: of all processes, on all machines that share the database."""

    code = "BACKUP_RUNNING"
    message = "A backup is being made, verified or restored right now. Try again when that is over."


class FolderUnusable(Conflict):
    """BACKUP_DIR is not there and cannot be made, or is not ours."""

    code = "BACKUP_FOLDER_UNUSABLE"
    message = "BACKUP_DIR cannot be written. Give the account of the service a folder of its own."


@dataclass(frozen=True, slots=True)
class Entry:
    """A backup in the folder."""

    path: Path
    created_at: datetime

    @property
    def name(self) -> str:
        """Return the name of its file."""
        return self.path.name


class Shelf:
    """Where the backups of this instance lie, and the keys that open them."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.settings = settings
        self.folder = settings.backups_dir
        self.keys = age.identities(settings.backup_key, keyring)
        self.secrets = config.secrets_of(settings)

    @contextmanager
    def alone(self) -> Iterator[Path]:
        """Hold both locks, and yield an empty folder that is gone afterwards. Raises BackupRunning, FolderUnusable."""
        lock = self.folder / ".lock"
        with _ours():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.touch(mode=0o600)
        with lockfile.held(lock) as is_ours, dumps.alone(self.settings) as nobody_else:
            if not (is_ours and nobody_else):
                raise BackupRunning
            self._sweep()
            with _ours():
                work = Path(mkdtemp(prefix=_WORK, dir=self.folder))
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """Return what is whole, newest first, and last what a clock that was ahead put into the future.

        Raises FolderUnusable.
        """
        with _ours():
            found = [path for path in self.folder.iterdir() if path.is_file()] if self.folder.exists() else []
        entries = [Entry(path, at) for path in found if (at := _made_at(path.name))]
        now = clock.now()
        return sorted(entries, key=lambda entry: (entry.created_at <= now, entry.name), reverse=True)

    def new(self, at: datetime) -> Path:
        """Return a name that nothing has."""
        return self.folder / f"carboy-{at.strftime(_TIME)}-{secrets.token_hex(3)}{_SUFFIX}"

    def find(self, name: str | None) -> Path:
        """Return a backup by its name here or its path anywhere, the newest if none is named."""
        entries = self.entries()
        if name is None and entries:
            return entries[0].path
        for path in (self.folder / name, Path(name)) if name else ():
            if path.is_file():
                return path
        raise NotFound("There is no such backup. 'flask backup list' shows those of BACKUP_DIR.")

    def prune(self, *, verified: Container[str]) -> list[str]:
        """Delete what is older than BACKUP_RETENTION_DAYS, but neither the newest nor the newest ``verified``."""
        before = clock.now() - timedelta(days=self.settings.backup_retention_days)
        entries = self.entries()
        kept = {entries[0].name, *[entry.name for entry in entries if entry.name in verified][:1]} if entries else set()
        old = [entry for entry in entries if entry.created_at < before and entry.name not in kept]
        for entry in old:
            entry.path.unlink(missing_ok=True)
        return [entry.name for entry in old]

    def _sweep(self) -> None:
        """Remove what somebody who was killed left behind."""
        for left in self.folder.glob(f"{_WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in self.folder.glob(".*.partial"):
            left.unlink(missing_ok=True)


@contextmanager
def _ours() -> Iterator[None]:
    """Name a folder that is not ours, or has no room. Raises FolderUnusable, DiskFull."""
    try:
        with archive.room_is_needed():
            yield
    except OSError as error:
        raise FolderUnusable from error


def files_of(folder: Path) -> list[archive.Member]:
    """Return every stored file with its name inside of an archive; what is no file is nobody's."""
    found = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sorted((f"files/{path.relative_to(folder).as_posix()}", path) for path in found if _is_file(path))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _made_at(name: str) -> datetime | None:
    found = _NAME.fullmatch(name)
    return datetime.strptime(f"{found[1]}+0000", f"{_TIME}%z") if found else None
