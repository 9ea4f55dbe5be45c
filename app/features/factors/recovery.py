"""Recovery codes: ten that stand in for a lost factor, each once. 120 random bits, so a plain hash keeps them safe."""

import re
import secrets
from base64 import b32encode

from sqlalchemy import delete, update

from app.core import clock
from app.core.keyring import digest
from app.features.factors.models import RecoveryCode
from app.infra import db

_NUMBER = 10
_BYTES = 15
_GROUP = 6
_FORM = re.compile(r"[A-Z2-7]{24}")
_SEPARATORS = str.maketrans("", "", " -")


def renew_recovery_codes(user_id: int) -> list[str]:
    """Return ten new codes; earlier ones are void. They cannot be shown again."""
    remove_recovery_codes(user_id)
    codes = [b32encode(secrets.token_bytes(_BYTES)).decode() for _ in range(_NUMBER)]
    now = clock.now()
    db.session().add_all(RecoveryCode(hash=digest(code), user_id=user_id, created_at=now) for code in codes)
    db.session().flush()
    return [_shown(code) for code in codes]


def use_recovery_code(user_id: int, code: str) -> bool:
    """Tell whether this is an unused code of the user, and use it: of two at once, one does. Typed as one likes."""
    plain = code.translate(_SEPARATORS)
    if not plain.isascii() or _FORM.fullmatch(plain.upper()) is None:
        return False
    used = (
        update(RecoveryCode)
        .where(
            RecoveryCode.hash == digest(plain.upper()),
            RecoveryCode.user_id == user_id,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=clock.now())
        .returning(RecoveryCode.hash)
    )
    return db.session().scalar(used.execution_options(synchronize_session=False)) is not None


def remove_recovery_codes(user_id: int) -> None:
    """Forget them all: without a factor there is none to stand in for."""
    db.session().execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def _shown(code: str) -> str:
    return "-".join(code[place : place + _GROUP] for place in range(0, len(code), _GROUP))
