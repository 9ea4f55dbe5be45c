"""What letting somebody in by other means than a password needs."""

from app.features.accounts.credentials import Credentials
from app.features.accounts.models import User
from app.infra import db


def lock_credentials(user_id: int) -> Credentials:
    """Return what a living user signs in with; until the unit ends nobody disables, deletes or changes them."""
    user = db.session().get(User, user_id, with_for_update={"key_share": True})
    if user is None or user.deleted_at is not None:
        return Credentials(None, None, is_active=False)
    return Credentials(user.id, user.password_hash, user.is_active)


def set_mfa_enabled(user_id: int, *, enabled: bool) -> None:
    """Note whether a user has any second factor."""
    user = db.session().get(User, user_id, with_for_update={"key_share": True})
    if user is not None:
        user.mfa_enabled = enabled
        db.session().flush()
