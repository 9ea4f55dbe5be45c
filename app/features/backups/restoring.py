"""Restores a backup: on trial into a database of its own, or for good into an empty instance."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.core import clock
from app.core.caller import OPERATOR
from app.core.errors import Conflict
from app.features.audit import service as audit
from app.features.backups import erasures, manifest, records
from app.features.backups.making import Advance
from app.features.backups.manifest import Manifest
from app.features.backups.shelf import Shelf
from app.infra import archive, db, dumps, engines, migrations, resealing

BOOTSTRAPPED = frozenset({"alembic_version", "audit_head", "backups", "roles", "signing_keys", "timetable"})
"""Tables that hold rows although nobody used the instance yet."""

_UNFINISHED = ".restoring"


class BackupFaulty(Conflict):
    """It could be unpacked, and is not what it says."""

    code = "BACKUP_FAULTY"
    message = "This backup does not restore to what it was made from."


class NotEmpty(Conflict):
    """Nothing is ever restored over what somebody may need."""

    code = "BACKUP_TARGET_NOT_EMPTY"
    message = "This instance is in use."


class OtherDatabase(Conflict):
    """A backup goes back into the kind of database that it was made from."""

    code = "BACKUP_OTHER_DATABASE"
    message = "This backup was made from another kind of database."


class SecretMissing(Conflict):
    """The encrypted columns would be lost, with the keys that sign tokens."""

    code = "BACKUP_SECRET_MISSING"
    message = (
        "SECRET_KEY is not the one that this backup was made under, so its encrypted columns would be lost: the keys"
        " that sign tokens, second factors, waiting mail. Put the secret of then at the end of SECRET_KEY, restore, and"
        " run 'flask keys reencrypt'. If it is lost for good: --without-secrets."
    )


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. ``lost`` values open with no secret; ``noted`` says whether the database knows of it."""

    manifest: Manifest
    revision: str
    audit_rows: int
    audit_head: str
    lost: int
    seconds: float
    noted: bool = True
    erased: int = 0


def verify(place: Shelf, path: Path, advance: Advance) -> Restored:
    """Restore into a database that is gone afterwards, examine it, and note that it was done.

    Raises BackupFaulty, OtherDatabase, and what ``archive.unpack`` raises.
    """
    try:
        with place.alone() as work:
            found = _on_trial(place, path, work, advance)
            noted = _noted(lambda: _note(found.manifest, size=path.stat().st_size))
    except (BackupFaulty, archive.Unreadable) as failure:
        code = failure.code
        _noted(
            lambda: audit.record(
                "backup_verified", outcome="failure", actor=OPERATOR, detail={"backup": path.name, "code": code}
            )
        )
        raise
    return Restored(found.manifest, *_measured(found), noted=noted)


def restore(
    place: Shelf, path: Path, advance: Advance, *, without_secrets: bool, after: Callable[[int], bool]
) -> Restored:
    """Restore into this instance, which must be empty, and migrate it to this release.

    ``after`` erases a person again who was erased since. Raises NotEmpty, SecretMissing and what ``verify`` raises.
    """
    started = time.perf_counter()
    with place.alone() as work, archive.room_is_needed():
        begun = _is_begun(place, path)
        if not begun:
            _refuse_unless_empty(place)
        advance("decrypting and checking ...")
        told = _unpack(place, path, work)
        if told.kind != dumps.kind():
            raise OtherDatabase(f"This backup was made from {told.kind}, and DATABASE_URL names {dumps.kind()}.")
        if not without_secrets and told.secrets[0] not in manifest.fingerprints(place.secrets):
            raise SecretMissing
        if not (begun and _is_loaded(told)):
            _refuse_unless_unused(place)
            _place_files(work / "files", place.settings.files_dir, named=path.name)
            advance("loading the database ...")
            _load(place, work / told.file, work)
        found = _examine(place.settings.database, told, advance, started)
        erased = erase_again(place, told, after)
        with db.apart():
            _note(told, size=path.stat().st_size, event="backup_restored")
        _end(place)
    return Restored(told, *_measured(found), erased=erased)


def finish(place: Shelf, path: Path, *, after: Callable[[int], bool]) -> int:
    """Do what remains after a backup was restored by hand: erase again, and note it. Return how many were erased.

    ``path`` leads to the manifest.json that lay in it.
    """
    with place.alone():
        told = manifest.usable(path.read_bytes())
        if not records.are_kept():
            raise BackupFaulty("The database is not at this release. Run 'flask db upgrade' first.")
        erased = erase_again(place, told, after)
        with db.apart():
            _note(told, size=told.bytes, event="backup_restored")
        return erased


def erase_again(place: Shelf, told: Manifest, erase: Callable[[int], bool]) -> int:
    """Erase everybody who was erased after a backup was made; return how many there were."""
    return erasures.repeat(place.folder, since=told.created_at, behind=told.erased, erase=erase)


def _on_trial(place: Shelf, path: Path, work: Path, advance: Advance) -> Restored:
    started = time.perf_counter()
    advance("decrypting and checking ...")
    told = _unpack(place, path, work)
    if told.kind == "postgresql" and dumps.kind() != "postgresql":
        raise OtherDatabase(
            "This backup was made from PostgreSQL: set DATABASE_URL to a PostgreSQL server to try it on."
        )
    with dumps.scratch(place.settings, told.kind, work) as url:
        advance("restoring on trial ...")
        dumps.load(url, work / told.file, work)
        engine = engines.make(place.settings, url)
        try:
            with db.elsewhere(engine):
                return _examine(url, told, advance, started)
        finally:
            engine.dispose()


def _unpack(place: Shelf, path: Path, work: Path) -> Manifest:
    told = archive.unpack(path, work, keys=place.keys, expected=lambda data: manifest.usable(data).file)
    read = manifest.usable(told)
    if not (work / read.file).is_file():
        raise archive.Unreadable("This backup holds no database.")
    return read


def _examine(url: str, told: Manifest, advance: Advance, started: float) -> Restored:
    """Compare the present database with what the manifest says, bring it to this release, and read the audit trail."""
    advance("examining ...")
    if migrations.current() != told.revision:
        raise BackupFaulty(f"The database is not at revision {told.revision}, as the manifest says.")
    rows = dumps.counted()
    other = sorted(name for name in {*rows, *told.rows} if rows.get(name) != told.rows.get(name))
    if other:
        raise BackupFaulty(f"The number of rows differs from the manifest in: {', '.join(other)}.")
    faults = dumps.faults(url)
    if faults:
        raise BackupFaulty(f"The database has faults: {'; '.join(faults)}.")
    migrations.upgrade()
    with db.apart(writes=False):
        chain = audit.verify()
    if chain.fault:
        raise BackupFaulty(f"The audit chain is broken: {chain.fault}.")
    lost = resealing.survey().lost
    return Restored(told, migrations.current() or "", chain.rows, chain.head, lost, time.perf_counter() - started)


def _measured(found: Restored) -> tuple[str, int, str, int, float]:
    return found.revision, found.audit_rows, found.audit_head, found.lost, found.seconds


def _load(place: Shelf, file: Path, work: Path) -> None:
    dumps.empty(place.settings)
    db.engine().dispose()
    dumps.load(place.settings.database, file, work)
    db.engine().dispose()


def _is_begun(place: Shelf, path: Path) -> bool:
    """Tell whether somebody was killed while restoring this backup."""
    return interrupted(place) == path.name


def interrupted(place: Shelf) -> str | None:
    """Return the name of a backup whose restoration did not come to its end."""
    mark = place.settings.files_dir / _UNFINISHED
    return mark.read_text() if mark.is_file() else None


def _is_loaded(told: Manifest) -> bool:
    """Tell whether the database is what was loaded, and nobody did anything with it since."""
    rows = dumps.counted()
    return bool(_used(rows)) and migrations.current() == told.revision and rows == told.rows


def _end(place: Shelf) -> None:
    folder = place.settings.files_dir
    (folder / _UNFINISHED).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _used(rows: Mapping[str, int]) -> list[str]:
    """Return the tables that hold more than a start puts there."""
    return sorted(name for name, number in rows.items() if number and name not in BOOTSTRAPPED)


def _refuse_unless_unused(place: Shelf) -> None:
    used = _used(dumps.counted())
    if used:
        left = interrupted(place)
        why = f" It holds part of what the interrupted restoration of {left} left." if left else ""
        raise NotEmpty(
            f"DATABASE_URL names a database that is in use (rows in {', '.join(used)}), and a backup is only restored"
            f" into an empty one. Stop the service, point DATABASE_URL at a new database, and repeat.{why}"
        )


def _refuse_unless_empty(place: Shelf) -> None:
    _refuse_unless_unused(place)
    folder = place.settings.files_dir
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _UNFINISHED).exists():
        raise NotEmpty(f"{folder} holds files, and a backup is only restored into an empty instance. Move them away.")


def _place_files(source: Path, target: Path, *, named: str) -> None:
    """Put the files where they belong before the database names them; killed in between, this may be done again."""
    target.mkdir(parents=True, exist_ok=True)
    (target / _UNFINISHED).write_text(named)
    for place, _, names in os.walk(source):
        inside = target / Path(place).relative_to(source)
        inside.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            shutil.copy2(Path(place) / name, inside / name)


def _note(told: Manifest, *, size: int, event: str = "backup_verified") -> None:
    records.note_verified(name=told.name, created_at=told.created_at, size=size)
    detail = {"backup": told.name, "made_at": clock.rfc3339(told.created_at)}
    audit.record("backup_restored" if event == "backup_restored" else "backup_verified", actor=OPERATOR, detail=detail)


def _noted(record: Callable[[], None]) -> bool:
    """Note something in the database if it can."""
    if not records.are_kept():
        return False
    with db.apart():
        record()
    return True
