"""Makes a backup."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.core import clock
from app.core.caller import OPERATOR
from app.core.version import VERSION
from app.features.audit import service as audit
from app.features.backups import erasures, manifest, records, shelf
from app.features.backups.manifest import Manifest
from app.features.backups.shelf import Shelf
from app.infra import archive, db, dumps

Advance = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that lies in the folder now."""

    name: str
    size: int
    rows: int
    files: int
    seconds: float
    pruned: int


def make(place: Shelf, advance: Advance) -> Made:
    """Write a backup, note it, and delete those beyond their time, which also make room where the disk is full.

    Raises BackupRunning, FolderUnusable, DiskFull, ProgramMissing, ProgramFailed, Unavailable.
    """
    with place.alone() as work:
        try:
            return _make(place, work, advance)
        except archive.DiskFull:
            prune_within(place)
            raise


def _make(place: Shelf, work: Path, advance: Advance) -> Made:
    started = time.perf_counter()
    with archive.room_is_needed():
        target = place.new(at := clock.now())
        erased = erasures.count(place.folder)
        advance("taking the database ...")
        taken = dumps.take(place.settings, work)
        files = shelf.files_of(place.settings.files_dir)
        told = _described(place, target, taken, files).model_copy(update={"created_at": at, "erased": erased})
        (work / archive.MANIFEST).write_text(told.model_dump_json(indent=2) + "\n")
        advance(f"packing {told.bytes + told.files_bytes} bytes ...")
        members = [(archive.MANIFEST, work / archive.MANIFEST), (taken.file.name, taken.file), *files]
        archive.write(target, members, key=place.keys[0])
        seconds = time.perf_counter() - started
        size = target.stat().st_size
        if records.are_kept():
            with db.apart():
                records.keep(name=target.name, created_at=at, size=size, milliseconds=int(seconds * 1000))
                audit.record("backup_created", actor=OPERATOR, detail={"backup": target.name, "bytes": size})
        pruned = prune_within(place)
    return Made(target.name, size, sum(told.rows.values()), told.files, seconds, len(pruned))


def prune(place: Shelf) -> list[str]:
    """Delete backups beyond their time; return their names."""
    with place.alone():
        return prune_within(place)


def prune_within(place: Shelf) -> list[str]:
    """Do the same for who has the folder already; nothing goes while nobody knows which backup was verified."""
    if not records.are_kept():
        return []
    gone = place.prune(verified=records.verified())
    with db.apart():
        records.forget(gone)
        kept = [entry.name for entry in place.entries()]
        records.forget_old(clock.now() - timedelta(days=place.settings.backup_retention_days), kept=kept)
    return gone


def _described(place: Shelf, target: Path, taken: dumps.Taken, files: list[archive.Member]) -> Manifest:
    if taken.revision is None:
        raise archive.Unreadable("The database is empty: there is nothing to keep. Run 'flask init-db'.")
    return Manifest(
        format=manifest.FORMAT,
        name=target.name,
        created_at=clock.now(),
        service=place.settings.service_name,
        version=VERSION,
        kind=taken.kind,
        server=taken.server,
        revision=taken.revision,
        rows=taken.rows,
        bytes=taken.file.stat().st_size,
        sha256=archive.sum_of(taken.file),
        files=len(files),
        files_bytes=sum(path.stat().st_size for _, path in files),
        secrets=manifest.fingerprints(place.secrets),
    )
