"""What of access is held of one person."""

from sqlalchemy import delete, select

from app.features.access.models import Role, UserRole
from app.infra import db


def held_of(user_id: int) -> list[str]:
    """Return the names of somebody's roles."""
    held = select(Role.name).join(UserRole, UserRole.role_id == Role.id).where(UserRole.user_id == user_id)
    return list(db.session().scalars(held.order_by(Role.name)))


def erase(user_id: int) -> None:
    """Take all roles from somebody who is erased."""
    db.session().execute(delete(UserRole).where(UserRole.user_id == user_id))
