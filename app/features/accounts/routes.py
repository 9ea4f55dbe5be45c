"""The HTTP of accounts: users, for those who administer them."""

from app.core.paging import Page
from app.core.permissions import Permission
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.accounts.schemas import NewUser, UserChange, UserOut, UserQuery, UserRecord, UserReplacement
from app.web import caller
from app.web.application import Routes
from app.web.caller import requires
from app.web.declaration import fails
from app.web.paging import paged
from app.web.schemas import asks, returns, takes
from app.web.versions import Guard, conditional

routes = Routes("accounts", __name__)

_RICHER = {Permission.USERS_DELETE: UserRecord}
_TAKEN = (accounts.EmailTaken, accounts.UsernameTaken)


@routes.get("/api/v1/users")
@requires(Permission.USERS_READ)
@asks(UserQuery)
@paged
@returns(list[UserOut], richer={Permission.USERS_DELETE: list[UserRecord]})
def list_users(query: UserQuery) -> Page[accounts.Profile]:
    """List users. `deleted` needs `users:delete`; then each has `deleted_at`."""
    filters = accounts.Filters(query.q, query.role, query.active, query.deleted, query.sort)
    return accounts.list_users(filters=filters, page=query.slice, by=caller.current())


@routes.post("/api/v1/users")
@requires(Permission.USERS_WRITE)
@takes(NewUser, large=True)
@returns(UserOut, 201, "User created.", richer=_RICHER, location="/api/v1/users/{it.id}", versioned=True)
@fails(*_TAKEN, access.Escalation)
def create_user(body: NewUser) -> accounts.Profile:
    """Create a user. You can give only roles whose permissions you hold."""
    return accounts.create_user(**body.model_dump(), by=caller.current())


@routes.get("/api/v1/users/<id:user_id>")
@requires(Permission.USERS_READ)
@returns(UserOut, richer=_RICHER, versioned=True)
def show_user(user_id: int) -> accounts.Profile:
    """Read a user."""
    return accounts.show_user(user_id, by=caller.current())


@routes.put("/api/v1/users/<id:user_id>")
@requires(Permission.USERS_WRITE)
@takes(UserReplacement, large=True)
@conditional
@returns(UserOut, message="User replaced.", richer=_RICHER, versioned=True)
@fails(*_TAKEN, accounts.LastAdministrator, access.Escalation)
def replace_user(user_id: int, body: UserReplacement, guard: Guard) -> accounts.Profile:
    """Set everything of a user that can be set. What is left out goes back to its default."""
    return accounts.change(user_id=user_id, changes=body.model_dump(), guard=guard, by=caller.current())


@routes.patch("/api/v1/users/<id:user_id>")
@requires(Permission.USERS_WRITE)
@takes(UserChange, large=True)
@conditional
@returns(UserOut, message="User changed.", richer=_RICHER, versioned=True)
@fails(*_TAKEN, accounts.LastAdministrator, access.Escalation)
def change_user(user_id: int, body: UserChange, guard: Guard) -> accounts.Profile:
    """Change some of a user. Disabling ends their sessions at once."""
    return accounts.change(user_id=user_id, changes=body.given(), guard=guard, by=caller.current())


@routes.delete("/api/v1/users/<id:user_id>")
@requires(Permission.USERS_DELETE)
@conditional
@returns(status=204)
@fails(accounts.LastAdministrator, access.Escalation)
def delete_user(user_id: int, guard: Guard) -> None:
    """Delete a user. Their sessions end at once and their address is free; they can be restored."""
    accounts.delete(user_id=user_id, guard=guard, by=caller.current())


@routes.post("/api/v1/users/<id:user_id>/restore")
@requires(Permission.USERS_DELETE)
@returns(UserOut, message="User restored.", richer=_RICHER, versioned=True)
@fails(*_TAKEN, access.Escalation)
def restore_user(user_id: int) -> accounts.Profile:
    """Restore a deleted user, unless somebody has taken their address or name."""
    return accounts.restore(user_id=user_id, by=caller.current())
