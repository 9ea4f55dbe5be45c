from app.infra import db
from tests.api import Answer, Api, a_user, an_admin
from tests.infra.things import pool
from tests.world import PASSWORD, World

JOE = {"username": "joe", "email": "joe@people.test", "password": "SecurePass123!"}


def everything(api: Api) -> list[Answer]:
    """Send requests of every kind."""
    admin, eve = api.as_(an_admin()), api.as_(a_user())
    stranger, bob = a_user(), a_user()
    api.sign_in(bob)
    joe = f"/api/v1/users/{stranger.id}"
    change = {"current_password": PASSWORD, "new_password": "Another-Horse-9-Battery"}
    return [
        api.post("/auth/register", JOE),
        api.post("/auth/register", JOE),
        api.post("/auth/login", {"username": "joe", "password": "wrong"}),
        api.post("/auth/refresh", {"refresh_token": bob.refresh_token}),
        eve.patch("/auth/me", {"first_name": "Eve"}),
        eve.get("/auth/sessions"),
        eve.get("/api/v1/users"),
        eve.post("/auth/password/change", change),
        eve.post("/auth/logout"),
        admin.get("/api/v1/users"),
        admin.get("/api/v1/users?cursor="),
        admin.patch(joe, {"roles": ["admin"], "is_active": False}),
        admin.post(f"{joe}/sessions:revoke"),
        admin.delete(joe),
        admin.post(f"{joe}/restore"),
        admin.post("/api/v1/roles", {"name": "editors", "permissions": ["users:read"]}),
        admin.get("/api/v1/audit-events"),
        api.post("/api/v1/visits", {"page": "/x"}),
        api.get("/"),
        api.get("/readiness"),
    ]


class TestRequests:
    def test_never_need_two_connections_at_once(self, world: World) -> None:
        """Else as many requests as threads, each waiting for a second connection, would wait for each other."""
        api = Api(world.with_settings(database_pool_size=2, database_pool_seconds=0.05))

        with db.engine().connect():
            answers = everything(api)

        assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
        assert {answer.status_code for answer in answers} >= {200, 201, 204, 401, 403, 409}
        assert pool().size() == 2
