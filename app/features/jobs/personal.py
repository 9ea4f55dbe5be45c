"""What jobs hold of one person."""

from typing import Any

from sqlalchemy import delete, or_

from app.features.jobs.models import Job
from app.infra import db, held


def held_of(user_id: int) -> list[dict[str, Any]]:
    """Return which jobs somebody asked for or is the subject of, without their arguments, which may open something."""
    return held.rows(Job, _of(user_id), but={"arguments", "once", "user_id", "about_id"})


def erase(user_id: int) -> None:
    """Delete the jobs of somebody, but one at hand: that is the one that erases them, and is emptied at its end."""
    db.session().execute(delete(Job).where(_of(user_id), Job.status != "running"))


def _of(user_id: int) -> Any:  # noqa: ANN401 -- a condition, whose type is SQLAlchemy's own affair
    return or_(Job.user_id == user_id, Job.about_id == user_id)
