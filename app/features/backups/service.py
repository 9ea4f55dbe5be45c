"""The door of backups: make, list, verify, restore, let go; and what figures and the timetable go by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.core import clock
from app.core.config import Settings
from app.core.errors import Failure
from app.core.keyring import Keyring
from app.features.backups import erasures, making, manifest, records, restoring
from app.features.backups.making import Advance, Made
from app.features.backups.manifest import MadeByNewerRelease, Manifest
from app.features.backups.restoring import BackupFaulty, NotEmpty, OtherDatabase, Restored, SecretMissing
from app.features.backups.shelf import BackupRunning, FolderUnusable, Shelf
from app.infra import archive, db
from app.infra.metrics import Figure

__all__ = [
    "BackupFaulty",
    "BackupRunning",
    "FolderUnusable",
    "Listed",
    "Made",
    "MadeByNewerRelease",
    "Manifest",
    "NotEmpty",
    "OtherDatabase",
    "Restored",
    "SecretMissing",
    "connect",
    "create",
    "figures",
    "finish",
    "interrupted",
    "key",
    "list_backups",
    "note_erased",
    "prune",
    "restore",
    "run_due",
    "verify",
    "when_restored",
]

_shelf: Shelf
_erase: Callable[[int], bool] = bool


def _silent(_text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A backup in BACKUP_DIR. ``manifest`` is None and ``fault`` says why if it cannot be opened."""

    name: str
    created_at: datetime
    size: int
    verified_at: datetime | None
    manifest: Manifest | None
    fault: str | None = None


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn where backups lie, and what opens them."""
    global _shelf  # noqa: PLW0603 -- set once during assembly
    _shelf = Shelf(settings, keyring)


def when_restored(erase: Callable[[int], bool]) -> None:
    """Have people erased again who were erased after the backup that is restored."""
    global _erase  # noqa: PLW0603 -- set once during assembly
    _erase = erase


def create(*, advance: Advance = _silent) -> Made:
    """Make a backup of the database and the files, and delete those beyond their time."""
    return making.make(_shelf, advance)


def verify(name: str | None = None, *, advance: Advance = _silent) -> Restored:
    """Restore a backup on trial, the newest if none is named, and compare it with what was backed up."""
    return restoring.verify(_shelf, _shelf.find(name), advance)


def restore(name: str, *, without_secrets: bool = False, advance: Advance = _silent) -> Restored:
    """Restore a backup into this instance, which must be empty."""
    return restoring.restore(_shelf, _shelf.find(name), advance, without_secrets=without_secrets, after=_erase)


def interrupted() -> str | None:
    """Return the name of a backup whose restoration into this instance did not come to its end."""
    return restoring.interrupted(_shelf)


def finish(told: Path) -> int:
    """Erase people again after a backup was restored by hand, and note it; ``told`` is the manifest.json of it."""
    return restoring.finish(_shelf, told, after=_erase)


def prune() -> list[str]:
    """Delete backups older than BACKUP_RETENTION_DAYS; return their names."""
    return making.prune(_shelf)


def key() -> str:
    """Return the secret age key that new backups are encrypted for."""
    return _shelf.keys[0]


def list_backups() -> Iterator[Listed]:
    """Yield what lies in BACKUP_DIR, newest first; needs no database."""
    verified = _verified()
    for entry in _shelf.entries():
        told, fault = _told(entry.path)
        size = entry.path.stat().st_size
        yield Listed(entry.name, entry.created_at, size, verified.get(entry.name), told, fault)


def run_due() -> None:
    """Make a backup if the last is BACKUP_EVERY_HOURS old, and try the newest if that was long ago."""
    settings, now = _shelf.settings, clock.now()
    if not settings.backup_hours:
        return
    newest = records.newest()
    if newest is None or newest.created_at <= now - timedelta(hours=settings.backup_hours):
        create()
    last = records.last_verified_at()
    if settings.backup_verify_days and (last is None or last <= now - timedelta(days=settings.backup_verify_days)):
        verify()


def note_erased(user_id: int) -> None:
    """Remember once it is stored that somebody was erased, for whoever restores an older backup."""
    db.after_commit(lambda: erasures.note(_shelf.folder, user_id))


def figures() -> Iterator[Figure]:
    """Yield when what happened last; 0 stands for never."""
    newest, verified_at = records.newest(), records.last_verified_at()
    made_at = newest.created_at.timestamp() if newest else 0.0
    size, seconds = (newest.size, (newest.milliseconds or 0) / 1000) if newest else (0, 0.0)
    yield _figure(
        "backup_interval_seconds", "How often backups are made; 0: never.", _shelf.settings.backup_hours * 3600
    )
    yield _figure("backup_last_success_timestamp_seconds", "When the newest backup was made; 0: never.", made_at)
    yield _figure("backup_last_size_bytes", "How large the newest backup is.", size)
    yield _figure("backup_last_duration_seconds", "How long the newest backup took.", seconds)
    yield _figure(
        "backup_last_verified_restore_timestamp_seconds",
        "When a backup was last restored without a fault; 0: never.",
        verified_at.timestamp() if verified_at else 0.0,
    )


def _figure(name: str, meaning: str, value: float) -> Figure:
    return Figure(name, meaning, [({}, float(value))])


def _verified() -> dict[str, datetime]:
    return records.verified() if records.are_kept() else {}


def _told(path: Path) -> tuple[Manifest | None, str | None]:
    try:
        return manifest.read(archive.manifest(path, keys=_shelf.keys)), None
    except Failure as failure:
        return None, failure.code
