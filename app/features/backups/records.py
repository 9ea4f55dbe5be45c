"""Rows about backups: what alerts and the timetable go by."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select

from app.core import clock
from app.core.caller import OPERATOR
from app.core.errors import Unavailable
from app.features.audit import service as audit
from app.features.backups.models import BackupRecord
from app.infra import db, migrations
from app.infra.query import Query, Row

_BACKUPS = BackupRecord.__table__.c
# What a clock that was ahead wrote into the future must hold up nothing now that it is right.
_NEWEST = Query(
    select(*_BACKUPS).where(_BACKUPS.created_at <= bindparam("now")).order_by(_BACKUPS.created_at.desc()).limit(1)
)
_LAST_VERIFIED = Query(
    select(func.max(_BACKUPS.verified_at).label("at")).where(_BACKUPS.verified_at <= bindparam("now"))
)
_NAMED = Query(select(_BACKUPS.name, _BACKUPS.verified_at))


def are_kept() -> bool:
    """Tell whether the database can note anything: before a migration, and where none runs, backups work as well."""
    try:
        return migrations.current() is not None and not migrations.are_pending()
    except Unavailable:
        return False


def newest() -> Row | None:
    """Return the backup that was made last."""
    return _NEWEST.first(now=clock.now())


def last_verified_at() -> datetime | None:
    """Tell when a backup was last restored without a fault."""
    row = _LAST_VERIFIED.first(now=clock.now())
    return row.at if row else None


def verified() -> dict[str, datetime]:
    """Return when each backup was last restored without a fault."""
    return {row.name: row.verified_at for row in _NAMED.rows() if row.verified_at is not None}


def keep(*, name: str, created_at: datetime, size: int, **known: object) -> None:
    """Note what is known of a backup."""
    values = {"created_at": created_at, "size": size, **known}
    statement = db.upsert(BackupRecord).values(name=name, **values)
    db.session().execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def note_verified(*, name: str, created_at: datetime, size: int) -> None:
    """Note that a backup was restored just now and had no fault."""
    keep(name=name, created_at=created_at, size=size, verified_at=clock.now())


def forget(names: Iterable[str]) -> None:
    """Forget backups that were deleted."""
    gone = list(names)
    if gone:
        db.session().execute(delete(BackupRecord).where(BackupRecord.name.in_(gone)))
        audit.record("backup_deleted", actor=OPERATOR, detail={"backups": gone})


def forget_old(before: datetime, *, kept: Iterable[str]) -> None:
    """Forget those whose file went without us, but neither ``kept``, nor the newest, nor what was verified last."""
    latest, tried = newest(), verified()
    kept = [*kept, *([latest.name] if latest else ()), *sorted(tried, key=lambda name: tried[name])[-1:]]
    old = (BackupRecord.created_at < before) & BackupRecord.name.not_in(kept)
    db.session().execute(delete(BackupRecord).where(old))
