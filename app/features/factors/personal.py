"""What second factors hold of one person."""

from typing import Any

from sqlalchemy import delete

from app.features.factors.models import Passkey, RecoveryCode, Totp
from app.infra import db, held

_TABLES = (Totp, RecoveryCode, Passkey)


def held_of(user_id: int) -> dict[str, Any]:
    """Return somebody's factors, without secrets and without hashes of codes."""
    return {
        "totp": held.rows(Totp, Totp.user_id == user_id, but={"user_id", "secret"}),
        "recovery_codes": held.rows(RecoveryCode, RecoveryCode.user_id == user_id, but={"user_id", "hash"}),
        "passkeys": held.rows(Passkey, Passkey.user_id == user_id, but={"user_id"}),
    }


def erase(user_id: int) -> None:
    """Delete somebody's factors."""
    for table in _TABLES:
        db.session().execute(delete(table).where(table.user_id == user_id))
