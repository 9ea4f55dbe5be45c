"""Attempts that failed are recorded although their request is rolled back."""

from app.core.errors import Failure, Forbidden
from app.features.audit import service as audit
from app.infra import db


class WrongFactor(Forbidden):
    """As InvalidMfaCode, of somebody who is signed in. Not 401, so that clients do not throw the session away."""

    code = "INVALID_MFA_CODE"
    message = "This was not accepted. Codes work once: wait for the next one, or use a recovery code."


def failed(error: Failure, user_id: int | None) -> Failure:
    """Have a failure recorded, and return it to be raised."""
    target = ("user", user_id) if user_id is not None else None
    detail = {"code": error.code}
    db.after_rollback(lambda: audit.record("authn_login_fail", outcome="failure", target=target, detail=detail))
    return error
