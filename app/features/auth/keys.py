"""The keys that sign tokens: stored encrypted, published before they sign, believed for a while after.

``next`` is in the JWKS from the day it is made, so every process and every client knows it before its first
signature; rotating makes it ``active``. A process reads the table again every minute, and when it meets a kid
that it does not know.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import Any

from joserfc.jwk import ECKey
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.core import clock, signing
from app.core.config import Settings
from app.core.errors import InvalidToken, Unavailable
from app.core.keyring import Keyring, Undecryptable
from app.core.signing import Claims, Kind, Signer
from app.features.audit import service as audit
from app.features.auth.models import SigningKey
from app.infra import db, resealing
from app.infra.query import Query

log = logging.getLogger(__name__)

_PURPOSE = "signing-keys"
_FRESH_SECONDS = 60.0
_ASK_AGAIN_SECONDS = 2.0

_ALL = Query(select(SigningKey.kid, SigningKey.status, SigningKey.private_key).order_by(SigningKey.created_at.desc()))

_keyring: Keyring
_issuer = ""
_believed_seconds = 0
_signer: Signer | None = None
_read_at = 0.0
_lock = Lock()


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn how keys are encrypted and who issues tokens."""
    global _keyring, _issuer, _believed_seconds, _signer  # noqa: PLW0603 -- set once during assembly
    _keyring, _issuer, _signer = keyring, settings.base_url, None
    _believed_seconds = settings.refresh_token_seconds


def signer() -> Signer:
    """Return what signs and reads tokens; at most a minute old."""
    if _signer is None or time.monotonic() - _read_at > _FRESH_SECONDS:
        return _read()
    return _signer


def read(kind: Kind, token: str) -> Claims:
    """Return the claims of a token, or raise InvalidToken."""
    current, now = signer(), clock.now().timestamp()
    try:
        return current.read(kind, token, now=now)
    except InvalidToken:
        if current.knows(signing.kid_of(token)) or time.monotonic() - _read_at < _ASK_AGAIN_SECONDS:
            raise
    return _read().read(kind, token, now=now)


def public_keys() -> list[dict[str, Any]]:
    """Return the public parts of all keys that sign, will sign, or are still believed (RFC 7517)."""
    return [signing.public_jwk(key) for key in signer().known()]


def ensure() -> None:
    """Make what is missing of an active key and a next one; of several that try at once, one does."""
    usable = set()
    for key in db.session().scalars(select(SigningKey).where(SigningKey.status != "retired")):
        if _open(key.kid, key.private_key):
            usable.add(key.status)
        else:
            key.status, key.retired_at = "retired", clock.now()
    db.session().flush()
    for status in ("active", "next"):
        if status in usable:
            continue
        try:
            with db.session().begin_nested():
                _add(status)
        except IntegrityError:
            log.info("another process made the key", extra={"key_status": status})


def rotate() -> str:
    """Let the next key sign, retire the active one, make another next; return the kid that signs now.

    Tokens of the retired key stay good until they expire; then it is deleted.
    """
    ensure()
    now = clock.now()
    keys = update(SigningKey).execution_options(synchronize_session=False)
    session = db.session()
    session.execute(keys.where(SigningKey.status == "active").values(status="retired", retired_at=now))
    session.execute(keys.where(SigningKey.status == "next").values(status="active"))
    forgotten = now - timedelta(seconds=_believed_seconds)
    session.execute(delete(SigningKey).where(SigningKey.retired_at < forgotten))
    _add("next")
    kid = session.scalars(select(SigningKey.kid).where(SigningKey.status == "active")).one()
    audit.record("key_rotated", target=("signing_key", kid))
    db.after_commit(_forget)
    return kid


def reencrypt(*, advance: Callable[[int], object] = lambda _: None) -> resealing.Tally:
    """Rewrite whatever is encrypted, here or elsewhere, under the newest secret of SECRET_KEY."""
    found = resealing.reseal(advance=advance)
    detail = {"values": found.values, "rewritten": found.older, "lost": found.lost}
    with db.apart():
        audit.record("secrets_reencrypted", outcome="failure" if found.lost else "success", detail=detail)
    return found


def _add(status: str) -> None:
    key = signing.generate_key()
    sealed = _keyring.encrypt(_PURPOSE, key.as_pem(private=True))
    db.session().add(SigningKey(kid=key.kid, status=status, private_key=sealed, created_at=clock.now()))
    db.session().flush()


def _read() -> Signer:
    global _signer, _read_at  # noqa: PLW0603 -- what this process knows of the table
    asked_at = time.monotonic()
    with _lock:
        if _signer is not None and _read_at >= asked_at:
            return _signer  # another thread read it while this one waited
        opened = [(row.status, key) for row in _ALL.rows() if (key := _open(row.kid, row.private_key))]
        active = next((key for status, key in opened if status == "active"), None)
        if active is None:
            log.error("no signing key can be opened with SECRET_KEY; run 'flask init-db'")
            raise Unavailable
        _signer = Signer(issuer=_issuer, active=active, known=[key for _, key in opened])
        _read_at = time.monotonic()
        return _signer


def _open(kid: str, sealed: bytes) -> ECKey | None:
    try:
        return signing.read_key(_keyring.decrypt(_PURPOSE, sealed))
    except Undecryptable:
        log.warning("a signing key was encrypted under another SECRET_KEY", extra={"kid": kid})
        return None


def _forget() -> None:
    global _signer  # noqa: PLW0603 -- read again at next use
    _signer = None
