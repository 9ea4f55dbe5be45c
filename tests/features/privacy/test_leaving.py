"""DELETE /auth/me: gone at once, restorable for a while, told by mail."""

import pytest
from sqlalchemy import func, select

from app.core.keyring import digest
from app.features.api_keys.models import ApiKey
from app.features.auth.models import OneTimeCode
from app.infra import db
from tests.api import Api, Person, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of, users_named
from tests.features.auth.together import at_once
from tests.features.privacy.whole import give_everything
from tests.mails import letters
from tests.stepup import proven
from tests.world import PASSWORD

pytestmark = pytest.mark.usefixtures("world")

ME = "/auth/me"


def stepped_up(api: Api, person: Person) -> Api:
    own = api.as_(person)
    proven(person)
    return own


class TestLeaving:
    def test_is_accepted_and_says_when_nothing_is_left(self, api: Api, clock: Clock) -> None:
        answer = stepped_up(api, a_user()).delete(ME)

        assert answer.status_code == 202
        assert answer.result.keys() == {"deleted_at", "erased_after"}
        assert (
            answer.result["erased_after"][:10]
            == f"{clock.at.fromtimestamp(clock.at.timestamp() + 30 * 86400):%Y-%m-%d}"
        )

    def test_ends_every_session_at_once(self, api: Api) -> None:
        person = a_user()
        elsewhere = api.as_(person)
        person.access_token = None
        own = stepped_up(api, person)

        own.delete(ME)

        assert [client.get(ME).status_code for client in (own, elsewhere)] == [401, 401]
        assert live_sessions_of(person) == []
        assert api.post("/auth/refresh", {"refresh_token": person.refresh_token}).status_code == 401

    def test_ends_keys_and_links_for_good(self, api: Api) -> None:
        person = a_user()
        own = stepped_up(api, person)
        give_everything(person)

        own.delete(ME)
        api.as_(an_admin()).post(f"/api/v1/users/{person.id}/restore")

        with db.unit_of_work(writes=False):
            live_keys = db.session().scalar(select(func.count(ApiKey.id)).where(ApiKey.revoked_at.is_(None)))
            links = db.session().scalar(select(func.count(OneTimeCode.hash)))
        assert (live_keys, links) == (0, 0)

    def test_lets_nobody_in_any_more(self, api: Api) -> None:
        person = a_user()
        stepped_up(api, person).delete(ME)

        answer = api.post("/auth/login", {"email": person.email, "password": PASSWORD})

        assert (answer.status_code, answer.code) == (401, "INVALID_CREDENTIALS")

    def test_frees_address_and_name(self, api: Api) -> None:
        person = a_user()
        stepped_up(api, person).delete(ME)

        again = api.post("/auth/register", {"username": person.username, "email": person.email, "password": PASSWORD})

        assert again.status_code == 201
        assert again.result["id"] != person.id

    def test_can_be_taken_back_by_an_administrator(self, api: Api) -> None:
        person = a_user()
        stepped_up(api, person).delete(ME)

        answer = api.as_(an_admin()).post(f"/api/v1/users/{person.id}/restore")

        assert answer.status_code == 200
        assert api.sign_in(person).status_code == 200

    def test_is_recorded_as_their_own_act(self, api: Api) -> None:
        person = a_user()
        stepped_up(api, person).delete(ME)

        (event,) = audited("user_deleted")
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.id) == (str(person.id), str(person.id))

    def test_is_told_by_mail(self, api: Api, clock: Clock) -> None:
        clock.at = clock.at.replace(year=2026, month=1, day=9)
        person = a_user()

        stepped_up(api, person).delete(ME)

        (letter,) = letters("account_deleted")
        assert letter.to == person.email
        assert letter.context == {"username": person.username, "erased_on": "08 February 2026"}

    def test_needs_a_fresh_proof(self, api: Api) -> None:
        person = a_user()

        answer = api.as_(person).delete(ME)

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")
        assert users_named(person.username) == 1

    def test_is_refused_to_the_last_administrator(self, api: Api) -> None:
        last = an_admin()
        own = stepped_up(api, last)

        answer = own.delete(ME)

        assert (answer.status_code, answer.code) == (409, "LAST_ADMINISTRATOR")
        assert own.get(ME).status_code == 200
        assert letters("account_deleted") == []

    def test_of_two_last_administrators_at_once_leaves_one(self, api: Api) -> None:
        both = [stepped_up(api, an_admin()) for _ in range(2)]

        statuses = at_once(2, lambda number: both[number].delete(ME).status_code)

        assert sorted(statuses) == [202, 409]

    def test_twice_at_once_happens_once(self, api: Api) -> None:
        person = a_user()
        own = stepped_up(api, person)

        statuses = at_once(4, lambda _: own.delete(ME).status_code)

        assert sorted(statuses) == [202, 401, 401, 401]
        assert len(letters("account_deleted")) == 1


class TestLinks:
    def test_die_when_an_administrator_deletes_or_disables_their_owner(self, api: Api, clock: Clock) -> None:
        deleted, disabled, other = a_user(), a_user(), a_user()
        admin = api.as_(an_admin())
        with db.unit_of_work():
            for person in (deleted, disabled, other):
                code = {"purpose": "reset_password", "created_at": clock.at, "expires_at": clock.at}
                db.session().add(OneTimeCode(hash=digest(person.username), user_id=person.id, **code))

        admin.delete(f"/api/v1/users/{deleted.id}")
        admin.patch(f"/api/v1/users/{disabled.id}", {"is_active": False})

        with db.unit_of_work(writes=False):
            assert db.session().scalars(select(OneTimeCode.user_id)).all() == [other.id]
