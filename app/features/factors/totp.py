"""One-time passwords of an authenticator (RFC 6238): six digits, thirty seconds, each step once.

The code of the present step is good, and that of the step before, for whoever types slowly. The next one is not, nor
while enrolling: an authenticator whose clock runs ahead would be enrolled and then fail at every sign-in.
"""

import hmac
import logging
import re
from dataclasses import dataclass, field

import pyotp
from sqlalchemy import delete, or_, select, update

from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict
from app.core.keyring import Undecryptable
from app.features.factors.models import Totp
from app.infra import db

log = logging.getLogger(__name__)

_BASE32_LENGTH = 32  # 160 bits, as long as the hash (RFC 4226, section 4)
_STEP_SECONDS = 30
_CODE = re.compile(r"[0-9]{6}")

_issuer = ""


class TotpEnrolled(Conflict):
    """There is an authenticator already: replacing it unasked would lock its owner out."""

    code = "TOTP_ENROLLED"
    message = "There is an authenticator app already. Remove it first."


class TotpNotBegun(Conflict):
    """Nothing waits to be confirmed."""

    code = "TOTP_NOT_BEGUN"
    message = "No authenticator app waits to be confirmed. Begin with POST /auth/mfa/totp."


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator must know; shown once."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


def connect(settings: Settings) -> None:
    """Learn what authenticators call this service."""
    global _issuer  # noqa: PLW0603 -- set once during assembly
    _issuer = settings.service_name


def begin_totp(user_id: int, *, label: str) -> Enrolment:
    """Make a secret that counts once it is confirmed, in place of an earlier one that was not; or TotpEnrolled."""
    secret = pyotp.random_base32(_BASE32_LENGTH)
    fresh = {"secret": secret.encode(), "created_at": clock.now(), "confirmed_at": None, "last_step": None}
    statement = (
        db.upsert(Totp)
        .values(user_id=user_id, **fresh)
        .on_conflict_do_update(index_elements=[Totp.user_id], set_=fresh, where=Totp.confirmed_at.is_(None))
        .returning(Totp.user_id)
    )
    if db.session().scalar(statement) is None:
        raise TotpEnrolled
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=label, issuer_name=_issuer))


def confirm_totp(user_id: int, code: str) -> bool:
    """Let the secret count if this is its code, which is then used; tell whether it is. Raises TotpNotBegun."""
    secret = _secret(user_id, confirmed=False)
    if secret is None:
        raise TotpNotBegun
    step = _step_of(secret, code)
    if step is None:
        return False
    return _set(user_id, Totp.confirmed_at.is_(None), confirmed_at=clock.now(), last_step=step)


def verify_totp(user_id: int, code: str) -> bool:
    """Use a code: tell whether it is right, and of a later step than any that was used (one statement decides)."""
    secret = _secret(user_id, confirmed=True)
    step = None if secret is None else _step_of(secret, code)
    if step is None:
        return False
    later = or_(Totp.last_step.is_(None), Totp.last_step < step)
    return _set(user_id, Totp.confirmed_at.is_not(None), later, last_step=step)


def remove_totp(user_id: int) -> None:
    """Forget the secret, confirmed or not."""
    db.session().execute(delete(Totp).where(Totp.user_id == user_id))


def _secret(user_id: int, *, confirmed: bool) -> str | None:
    """Return the secret; None without one, or if SECRET_KEY was replaced: a recovery code is the way in then."""
    state = Totp.confirmed_at.is_not(None) if confirmed else Totp.confirmed_at.is_(None)
    try:
        found = db.session().scalar(select(Totp.secret).where(Totp.user_id == user_id, state))
    except Undecryptable:
        log.error("a second factor cannot be decrypted: SECRET_KEY was replaced")  # noqa: TRY400 -- says it all
        return None
    return None if found is None else found.decode()


def _step_of(secret: str, code: str) -> int | None:
    """Return the step whose code this is. ASCII digits only: pyotp alone takes full-width ones for the same."""
    if _CODE.fullmatch(code) is None:
        return None
    totp, present = pyotp.TOTP(secret), int(clock.now().timestamp()) // _STEP_SECONDS
    matches = [step for step in (present - 1, present) if hmac.compare_digest(totp.generate_otp(step), code)]
    return max(matches, default=None)


def _set(user_id: int, *conditions: object, **values: object) -> bool:
    statement = update(Totp).where(Totp.user_id == user_id, *conditions).values(**values)  # type: ignore[arg-type]  # conditions of SQLAlchemy
    changed = db.session().scalar(statement.returning(Totp.user_id).execution_options(synchronize_session=False))
    return changed is not None
