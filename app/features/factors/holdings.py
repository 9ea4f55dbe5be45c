"""Which factors somebody has."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from app.features.factors.models import Passkey, RecoveryCode, Totp
from app.features.factors.recovery import remove_recovery_codes
from app.features.factors.totp import remove_totp
from app.infra import db


@dataclass(frozen=True, slots=True)
class Holdings:
    """The factors of one user. ``totp_begun``: an authenticator waits to be confirmed."""

    totp: bool
    totp_begun: bool
    passkeys: int
    recovery_codes_left: int

    @property
    def any(self) -> bool:
        """Tell whether there is a factor that counts. Recovery codes only stand in for one."""
        return self.totp or self.passkeys > 0

    @property
    def methods(self) -> Sequence[str]:
        """Return with which of them a sign-in can be finished, as clients send them."""
        held = {"totp": self.totp, "passkey": self.passkeys > 0, "recovery_code": self.recovery_codes_left > 0}
        return [name for name, there in held.items() if there]


def holdings_of(user_id: int) -> Holdings:
    """Return the factors of a user, in one statement."""
    mine = select(func.count()).select_from(Totp).where(Totp.user_id == user_id)
    passkeys = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id)
    codes = select(func.count()).select_from(RecoveryCode)
    statement = select(
        mine.where(Totp.confirmed_at.is_not(None)).scalar_subquery().label("totp"),
        mine.where(Totp.confirmed_at.is_(None)).scalar_subquery().label("begun"),
        passkeys.scalar_subquery().label("passkeys"),
        codes.where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)).scalar_subquery().label("codes"),
    )
    row = db.session().execute(statement).one()
    return Holdings(row.totp > 0, row.begun > 0, row.passkeys, row.codes)


def methods_of(user_id: int) -> Sequence[str]:
    """Return with what a user can finish a sign-in: totp, passkey, recovery_code."""
    return holdings_of(user_id).methods


def remove_all(user_id: int) -> None:
    """Forget every factor of a user, and their recovery codes."""
    remove_totp(user_id)
    remove_recovery_codes(user_id)
    remove_passkeys(user_id)


def remove_passkeys(user_id: int) -> None:
    """Forget every passkey of a user."""
    db.session().execute(delete(Passkey).where(Passkey.user_id == user_id))
