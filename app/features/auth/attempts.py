"""Attempts that failed are recorded although their request is rolled back."""

from app.core.errors import Failure
from app.features.audit import service as audit
from app.infra import db


def failed(error: Failure, user_id: int | None) -> Failure:
    """Have a failure recorded, and return it to be raised."""
    target = ("user", user_id) if user_id is not None else None
    detail = {"code": error.code}
    db.after_rollback(lambda: audit.record("authn_login_fail", outcome="failure", target=target, detail=detail))
    return error
