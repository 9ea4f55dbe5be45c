"""The HTTP of access."""

from typing import Any

from app.core.paging import Page
from app.core.permissions import Permission
from app.features.access import service as access
from app.features.access.models import Role
from app.features.access.schemas import NewRole, PermissionOut, RoleChange, RoleOut
from app.web import caller
from app.web.application import Routes
from app.web.caller import requires
from app.web.declaration import fails
from app.web.paging import PageQuery, paged
from app.web.schemas import asks, returns, takes
from app.web.versions import Guard, conditional

routes = Routes("access", __name__)


@routes.get("/api/v1/permissions")
@requires(Permission.ROLES_READ)
@asks(PageQuery)
@paged
@returns(list[PermissionOut])
def list_permissions(query: PageQuery) -> Page[access.Meaning]:
    """List the permissions there are."""
    return access.list_permissions(page=query.slice)


@routes.get("/api/v1/roles")
@requires(Permission.ROLES_READ)
@asks(PageQuery)
@paged
@returns(list[RoleOut])
def list_roles(query: PageQuery) -> Page[Any]:
    """List roles."""
    return access.list_roles(page=query.slice)


@routes.post("/api/v1/roles")
@requires(Permission.ROLES_WRITE)
@takes(NewRole, large=True)
@returns(RoleOut, 201, "Role created.", location="/api/v1/roles/{it.id}", versioned=True)
@fails(access.RoleNameTaken, access.Escalation)
def create_role(body: NewRole) -> Role:
    """Create a role of permissions that you hold."""
    return access.create_role(**body.model_dump(), by=caller.current())


@routes.get("/api/v1/roles/<id:role_id>")
@requires(Permission.ROLES_READ)
@returns(RoleOut, versioned=True)
def show_role(role_id: int) -> object:
    """Read a role."""
    return access.get_role(role_id)


@routes.patch("/api/v1/roles/<id:role_id>")
@requires(Permission.ROLES_WRITE)
@takes(RoleChange, large=True)
@conditional
@returns(RoleOut, message="Role changed.", versioned=True)
@fails(access.RoleNameTaken, access.BuiltInRole, access.Escalation)
def change_role(role_id: int, body: RoleChange, guard: Guard) -> Role:
    """Change a role. It acts at once on everybody who holds it."""
    return access.change_role(role_id=role_id, changes=body.given(), guard=guard, by=caller.current())


@routes.delete("/api/v1/roles/<id:role_id>")
@requires(Permission.ROLES_WRITE)
@conditional
@returns(status=204)
@fails(access.BuiltInRole, access.RoleInUse, access.Escalation)
def delete_role(role_id: int, guard: Guard) -> None:
    """Delete a role that nobody holds."""
    access.delete_role(role_id=role_id, guard=guard, by=caller.current())
