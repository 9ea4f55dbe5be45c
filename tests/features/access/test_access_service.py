"""What the code says of built-in roles and of permissions wins over what is stored."""

from sqlalchemy import text

from app.features.access import service as access
from app.infra import db
from tests.api import Api, a_role, a_user
from tests.world import World

ROLES = "/api/v1/roles"


class TestEnsureBuiltInRoles:
    def test_renews_what_was_changed_behind_its_back(self, world: World) -> None:
        with db.unit_of_work():
            db.session().execute(text("UPDATE roles SET permissions = '[]', description = 'x' WHERE name = 'admin'"))

        with db.unit_of_work():
            access.ensure_built_in_roles()

        with db.unit_of_work(writes=False):
            admin = access.get_role(1)
        assert (admin.name, admin.description) == ("admin", "May do everything.")
        assert "users:write" in admin.permissions

    def test_leaves_what_a_newer_release_gave(self, world: World) -> None:
        """An instance of the old code may start while a new one works."""
        with db.unit_of_work():
            newer = '["audit:read", "users:fly"]'
            db.session().execute(text("UPDATE roles SET permissions = :newer WHERE name = 'admin'"), {"newer": newer})

        with db.unit_of_work():
            access.ensure_built_in_roles()

        with db.unit_of_work(writes=False):
            stored = db.session().execute(text("SELECT permissions FROM roles WHERE name = 'admin'")).scalar_one()
        assert '"users:fly"' in str(stored).replace("'", '"')
        assert '"users:write"' in str(stored).replace("'", '"')

    def test_changes_nothing_otherwise(self, world: World) -> None:
        with db.unit_of_work(writes=False):
            before = access.get_role(1).version

        with db.unit_of_work():
            access.ensure_built_in_roles()

        with db.unit_of_work(writes=False):
            assert access.get_role(1).version == before


class TestForgottenPermission:
    def test_gives_nothing(self, api: Api) -> None:
        role = a_role("users:read")
        with db.unit_of_work():
            db.session().execute(
                text("UPDATE roles SET permissions = :stored WHERE name = :name"),
                {"stored": '["users:read", "users:fly"]', "name": role},
            )

        me = api.as_(a_user(roles=(role,))).get("/auth/me").result

        assert me["permissions"] == ["users:read"]
