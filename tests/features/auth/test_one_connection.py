"""No request needs a second connection while it holds one: those that wait for it might hold all the others."""

from collections.abc import Iterator

import pytest

from app.features.auth import keys
from app.infra import db
from tests.api import Api, Person, a_user
from tests.authenticator import enrolled, finish, half_signed_in
from tests.features.auth.passkeys import PASSKEYS, login, passkeys_of, register
from tests.features.auth.together import at_once
from tests.features.factors.authenticator import Authenticator
from tests.links import move, reset, reset_link, verify_link
from tests.stepup import stepped_up
from tests.world import PASSWORD, World


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    """A client of a service with one free connection, and that has not read its keys yet."""
    app = world.with_settings(database_pool_size=2, database_pool_seconds=2)
    with db.engine().connect():  # a pool has two at least; this one is somebody else's
        yield Api(app)


@pytest.fixture
def grace(world: World) -> Person:
    """Somebody who signed in before that service started."""
    person = a_user()
    Api(world.app).sign_in(person)
    return person


class TestOneConnection:
    def test_is_enough_to_sign_in(self, api: Api) -> None:
        body = {"username": a_user().username, "password": PASSWORD}

        assert api.post("/auth/login", body).status_code == 200

    def test_is_enough_to_be_refused(self, api: Api) -> None:
        body = {"username": a_user().username, "password": "wrong"}

        assert api.post("/auth/login", body).status_code == 401

    def test_is_enough_to_refresh(self, grace: Person, api: Api) -> None:
        assert api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code == 200

    def test_is_enough_to_register(self, api: Api) -> None:
        body = {"username": "hopper", "email": "hopper@navy.test", "password": "SecurePass123!"}

        assert api.post("/auth/register", body).status_code == 201

    def test_is_enough_to_change_the_password(self, grace: Person, api: Api) -> None:
        body = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Staple"}

        assert api.as_(grace).post("/auth/password/change", body).status_code == 204

    def test_is_enough_to_read_and_change_oneself(self, grace: Person, api: Api) -> None:
        hers = api.as_(grace)

        assert hers.get("/auth/me").status_code == 200
        assert hers.patch("/auth/me", {"first_name": "Grace"}).status_code == 200
        assert hers.get("/auth/sessions").status_code == 200

    def test_is_enough_to_sign_out(self, grace: Person, api: Api) -> None:
        assert api.post("/auth/logout", {"refresh_token": grace.refresh_token}).status_code == 204
        assert api.as_(grace).post("/auth/logout").status_code == 401

    def test_is_enough_to_recover(self, api: Api) -> None:
        assert reset(api, reset_link(api, a_user())).status_code == 204

    def test_is_enough_to_prove_and_change_an_address(self, grace: Person, api: Api) -> None:
        assert api.post("/auth/email/verify", {"token": verify_link(api, grace)}).status_code == 204

        token = move(api, grace, "moved@people.test")

        assert api.post("/auth/email/change/undo", {"token": token}).status_code == 204

    def test_is_enough_for_a_passkey(self, grace: Person, api: Api) -> None:
        hers, device = stepped_up(api, grace), Authenticator()

        assert register(hers, device).status_code == 201
        assert login(api, device).status_code == 200
        assert hers.get(PASSKEYS).status_code == 200
        assert hers.delete(f"{PASSKEYS}/{passkeys_of(grace)[0].id}").status_code == 204

    def test_is_enough_for_several_who_sign_in_at_once(self, api: Api) -> None:
        people = [a_user() for _ in range(8)]
        bodies = [{"username": person.username, "password": PASSWORD} for person in people]

        answers = at_once(8, lambda number: api.post("/auth/login", bodies[number]))

        assert [answer.status_code for answer in answers] == [200] * 8

    def test_is_enough_for_second_factors(self, api: Api) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        keys._forget()

        answer = finish(api, half_signed_in(api, grace), recovery_code=app.recovery_codes[0])
        refused = finish(api, half_signed_in(api, grace), code=app.wrong)
        again = api.as_(grace).post("/auth/reauth", {"recovery_code": app.recovery_codes[1]})
        removed = api.as_(grace).delete("/auth/mfa/totp")

        assert [sent.status_code for sent in (answer, refused, again, removed)] == [200, 401, 200, 204]
