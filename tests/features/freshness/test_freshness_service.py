from collections.abc import Callable

import pytest
from sqlalchemy import select

from app.features.freshness import service as freshness
from app.features.freshness.models import RecentWriter
from app.infra import db
from tests.api import Api, a_user, an_admin
from tests.links import verify_link
from tests.stepup import as_another
from tests.world import PASSWORD, SERVICES, World

pytestmark = pytest.mark.skipif(not SERVICES, reason="SQLite has no replicas")


@pytest.fixture
def app(world: World) -> Api:
    """Return a client of a service with a replica, which nothing here needs to reach."""
    return Api(world.with_settings(database_replica_url="postgresql://127.0.0.1:1/none"))


def writers() -> set[int]:
    with db.unit_of_work(writes=False):
        return set(db.session().scalars(select(RecentWriter.user_id)))


def forget() -> None:
    with db.unit_of_work():
        db.session().query(RecentWriter).delete()


def by_a_link(app: Api) -> set[int]:
    grace = a_user()
    token = verify_link(app, grace)
    forget()
    assert app.post("/auth/email/verify", {"token": token}).status_code == 204
    return {grace.id}


def by_a_refresh_token(app: Api) -> set[int]:
    grace = a_user()
    token = app.sign_in(grace).result["refresh_token"]
    forget()
    assert app.post("/auth/refresh", {"refresh_token": token}).status_code == 200
    return {grace.id}


def by_a_password(app: Api) -> set[int]:
    grace = a_user()
    app.sign_in(grace)
    return {grace.id}


def in_the_name_of_another(app: Api) -> set[int]:
    admin, grace = an_admin(), a_user()
    acting = as_another(app, admin, grace)
    forget()
    assert acting.patch("/auth/me", {"last_name": "Hopper"}).status_code == 200
    return {admin.id, grace.id}


def to_another(app: Api) -> set[int]:
    admin, grace = an_admin(), a_user()
    signed_in = app.as_(admin)
    forget()
    assert signed_in.patch(f"/api/v1/users/{grace.id}", {"last_name": "Hopper"}).status_code == 200
    return {admin.id}


WAYS = [by_a_link, by_a_refresh_token, by_a_password, in_the_name_of_another, to_another]


class TestNote:
    @pytest.mark.parametrize("way", WAYS)
    def test_is_of_whoever_sees_the_change_as_their_own(self, app: Api, way: Callable[[Api], set[int]]) -> None:
        assert way(app) == writers()

    def test_is_none_of_who_was_refused(self, app: Api) -> None:
        grace = a_user()

        answer = app.post("/auth/login", {"username": grace.username, "password": PASSWORD + "x"})

        assert (answer.status_code, writers()) == (401, set())

    @pytest.mark.parametrize(("allowed", "notes"), [(60, 0), (-1, 1)], ids=["in time", "late"])
    def test_is_renewed_if_its_transaction_took_longer_than_readers_allow_for(
        self, app: Api, monkeypatch: pytest.MonkeyPatch, allowed: int, notes: int
    ) -> None:
        monkeypatch.setattr(freshness, "_COMMIT_SECONDS", allowed)
        with db.unit_of_work():
            db.after_commit(forget)  # after it, only a second note is there to be found
            freshness.note(7)

        assert len(writers()) == notes
