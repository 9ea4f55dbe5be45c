"""How the audit trail looks on the wire."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from app.core.ids import UUID
from app.web.paging import PageQuery
from app.web.schemas import Out, Timestamp

Outcome = Literal["success", "failure"]
Word = Annotated[str, Field(min_length=1, max_length=64)]


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("This time is out of range.") from error


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class PartyOut(Out):
    """Who acted, or what was acted on."""

    type: str
    id: str | None


class AuditEventOut(Out):
    """One event, named after the OWASP Logging Vocabulary."""

    id: UUID
    at: Timestamp
    event: str
    outcome: str
    actor: PartyOut | None
    target: PartyOut | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    detail: dict[str, Any]


class AuditQuery(PageQuery):
    """Filters of the trail; newest first."""

    event: Word | None = None
    outcome: Outcome | None = None
    actor: Annotated[str, Field(max_length=40)] | None = None
    target_type: Word | None = None
    target: Word | None = None
    since: Moment | None = None
    until: Moment | None = None

    def filters(self) -> dict[str, str | datetime | None]:
        """Return what to look for."""
        return {
            "event": self.event,
            "outcome": self.outcome,
            "actor_id": self.actor,
            "target_type": self.target_type,
            "target_id": self.target,
            "since": self.since,
            "until": self.until,
        }
