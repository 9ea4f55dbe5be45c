"""The HTTP of audit: reading only; no route writes."""

from app.core.paging import Page
from app.core.permissions import Permission
from app.features.audit import service as audit
from app.features.audit.schemas import AuditEventOut, AuditQuery
from app.web.application import Routes
from app.web.caller import requires
from app.web.paging import paged
from app.web.schemas import asks, returns

routes = Routes("audit", __name__)


@routes.get("/api/v1/audit-events")
@requires(Permission.AUDIT_READ)
@asks(AuditQuery)
@paged
@returns(list[AuditEventOut])
def list_audit_events(query: AuditQuery) -> Page[audit.Event]:
    """List audit events, newest first."""
    return audit.list_events(filters=query.filters(), page=query.slice)
