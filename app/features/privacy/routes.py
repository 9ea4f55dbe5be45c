"""The HTTP of privacy: one's own data, and leaving."""

from typing import Any

from app.features.accounts import service as accounts
from app.features.privacy import service as privacy
from app.features.privacy.schemas import ExportOut, LeavingOut
from app.web import caller
from app.web.application import Routes
from app.web.caller import authenticated, step_up
from app.web.declaration import fails
from app.web.schemas import returns

routes = Routes("privacy", __name__)


@routes.get("/auth/me/export")
@authenticated
@step_up
@returns(ExportOut, message="Everything that is held of you.", secret=True)
def export_me() -> dict[str, Any]:
    """Read everything that is held of you. Needs a fresh reauthentication."""
    return privacy.export(caller.current())


@routes.delete("/auth/me")
@authenticated
@step_up
@returns(LeavingOut, 202, "Account deleted.")
@fails(accounts.LastAdministrator)
def delete_me() -> privacy.Leaving:
    """Delete your account. Your sessions, keys and links end at once; your data is erased when the period is over."""
    return privacy.leave(caller.current())
