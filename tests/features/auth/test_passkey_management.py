"""Listing, naming and removing one's passkeys; proving one beside a password."""

import pytest

from app.core.errors import Invalid
from app.core.ids import uuid7
from app.features.audit import service as audit
from app.features.auth import passkeys as passkeys_of_auth
from app.features.auth import service as auth
from app.infra import db
from tests.api import Api, Person, a_user
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of, set_user
from tests.features.auth.passkeys import (
    LOGIN,
    PASSKEYS,
    a_device,
    a_passkey,
    challenged_by,
    half_way,
    login,
    passkeys_of,
    request,
)
from tests.features.auth.together import at_once
from tests.features.factors.authenticator import Json, es256
from tests.mails import letters
from tests.stepup import stepped_up
from tests.world import World


class TestList:
    def test_shows_ones_own_newest_first(self, api: Api) -> None:
        grace = a_user()
        made = [a_passkey(grace, name=name) for name in ("Phone", "Laptop")]
        a_passkey(a_user())

        answer = api.as_(grace).get(PASSKEYS)

        assert [shown["id"] for shown in answer.result] == [str(key) for key in reversed(made)]
        assert answer.json["pagination"]["total_items"] == 2


class TestRename:
    def test_changes_the_name(self, api: Api) -> None:
        grace = a_user()
        key = a_passkey(grace)

        answer = api.as_(grace).patch(f"{PASSKEYS}/{key}", {"name": "Work phone"})

        assert answer.result["name"] == "Work phone"
        assert passkeys_of(grace)[0].name == "Work phone"
        assert audited("user_updated")[0].target == audit.Party("passkey", str(key))

    @pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines", None], ids=["empty", "long", "lines", "null"])
    def test_takes_one_line(self, api: Api, name: str | None) -> None:
        grace = a_user()

        assert api.as_(grace).patch(f"{PASSKEYS}/{a_passkey(grace)}", {"name": name}).status_code == 422

    def test_does_not_find_those_of_others(self, api: Api) -> None:
        key, mallory = a_passkey(a_user()), api.as_(a_user())

        assert mallory.patch(f"{PASSKEYS}/{key}", {"name": "Mine"}).status_code == 404
        assert mallory.patch(f"{PASSKEYS}/{uuid7()}", {"name": "Mine"}).status_code == 404


class TestRemove:
    def test_ends_the_other_sessions_and_tells_the_owner(self, api: Api) -> None:
        grace = a_user()
        key = a_passkey(grace)
        api.sign_in(grace)
        old = api.as_(grace)
        api.sign_in(grace)
        hers = stepped_up(api, grace)

        answer = hers.delete(f"{PASSKEYS}/{key}")

        assert answer.status_code == 204
        assert passkeys_of(grace) == []
        assert (old.get("/auth/me").status_code, hers.get("/auth/me").result["mfa_enabled"]) == (401, False)
        assert audited("mfa_removed")[0].detail == {"factor": "passkey"}
        letter = letters("second_factor_changed")[0]
        assert (letter.to, letter.context) == (grace.email, {"what": "A passkey was removed."})

    def test_needs_more_than_a_stolen_session(self, api: Api) -> None:
        grace = a_user()

        answer = api.as_(grace).delete(f"{PASSKEYS}/{a_passkey(grace)}")

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")

    def test_does_not_find_those_of_others(self, api: Api) -> None:
        grace, mallory = a_user(), a_user()
        key = a_passkey(grace)

        assert stepped_up(api, mallory).delete(f"{PASSKEYS}/{key}").status_code == 404
        assert len(passkeys_of(grace)) == 1

    def test_leaves_a_factor_enabled_while_there_is_another(self, api: Api) -> None:
        grace = a_user()
        hers = stepped_up(api, grace)
        keys = [a_passkey(grace) for _ in range(2)]
        set_user(grace, mfa_enabled=True)

        hers.delete(f"{PASSKEYS}/{keys[0]}")

        assert hers.get("/auth/me").result["mfa_enabled"] is True

    def test_keeps_the_only_way_in(self, api: Api) -> None:
        grace = a_user()
        hers, key = stepped_up(api, grace), a_passkey(grace)
        set_user(grace, password_hash=None)

        answer = hers.delete(f"{PASSKEYS}/{key}")

        assert (answer.status_code, answer.code) == (409, "LAST_WAY_IN")
        assert len(passkeys_of(grace)) == 1
        assert letters() == []

    def test_keeps_one_of_two_that_go_at_once(self, api: Api) -> None:
        grace = a_user()
        hers, keys = stepped_up(api, grace), [a_passkey(grace) for _ in range(2)]
        set_user(grace, password_hash=None)

        answers = at_once(2, lambda number: hers.delete(f"{PASSKEYS}/{keys[number]}"))

        assert sorted(answer.status_code for answer in answers) == [204, 409]
        assert len(passkeys_of(grace)) == 1

    def test_is_free_where_there_is_another_way_in(self, api: Api, another_way_in: None) -> None:
        grace = a_user()
        hers, key = stepped_up(api, grace), a_passkey(grace)
        set_user(grace, password_hash=None)

        assert hers.delete(f"{PASSKEYS}/{key}").status_code == 204

    def test_keeps_the_factor_that_a_role_demands(self, world: World) -> None:
        api = Api(world.with_settings(mfa_required_roles=("admin",)))
        admin = a_user(roles=("admin",))
        his, keys = stepped_up(api, admin), [a_passkey(admin) for _ in range(2)]

        answers = [his.delete(f"{PASSKEYS}/{key}") for key in keys]

        assert [answer.status_code for answer in answers] == [204, 409]
        assert answers[1].code == "LAST_FACTOR"

    def test_leaves_no_session_to_who_signs_in_meanwhile(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        hers = stepped_up(api, grace)
        bodies = [{"credential": device.get(request(api))} for _ in range(4)]
        removal = ("DELETE", f"{PASSKEYS}/{passkeys_of(grace)[0].id}", None)
        requests = [*[("POST", f"{LOGIN}/verify", body) for body in bodies], removal]

        answers = at_once(5, lambda number: hers.send(*requests[number]))

        assert answers[4].status_code == 204
        assert {answer.status_code for answer in answers[:4]} <= {200, 401}
        assert len(live_sessions_of(grace)) == 1


class TestProve:
    """What the second step of a sign-in and reauthentication ask."""

    def test_accepts_the_passkey_of_this_user(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        device = a_device(api, grace)

        prove(grace, device.get(challenged_by(api, grace)))
        prove(grace, device.get(request(api)))

        assert passkeys_of(grace)[0].last_used_at == clock.now()

    def test_names_only_the_keys_of_this_user(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        a_device(api, a_user())

        options = challenged_by(api, grace)

        assert [known["id"] for known in options["allowCredentials"]] == [device.get(options)["id"]]

    def test_refuses_the_passkey_of_another(self, api: Api) -> None:
        grace, mallory = a_user(), a_user()
        a_device(api, grace)
        his = a_device(api, mallory)

        with pytest.raises(auth.InvalidPasskey):
            prove(grace, his.get(request(api)))

    def test_refuses_a_wrong_signature(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        device.key = es256()

        with pytest.raises(auth.InvalidPasskey):
            prove(grace, device.get(request(api)))

    def test_refuses_what_was_proven_before(self, api: Api) -> None:
        grace = a_user()
        assertion = a_device(api, grace).get(request(api))
        prove(grace, assertion)

        with pytest.raises(auth.InvalidPasskey):
            prove(grace, assertion)

    @pytest.mark.parametrize("assertion", [{}, {"id": 1}, {"response": "x"}], ids=repr)
    def test_says_that_something_else_is_no_assertion(self, api: Api, assertion: Json) -> None:
        with pytest.raises(Invalid) as refused:
            prove(a_user(), assertion)

        assert refused.value.details.keys() == {"passkey"}


class TestSecondStep:
    def test_is_finished_with_a_passkey_of_the_account(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        token = half_way(api, grace)
        options = api.post(f"{LOGIN}/options", {"mfa_token": token}).result

        answer = api.post("/auth/login/mfa", {"mfa_token": token, "passkey": device.get(options)})

        assert answer.status_code == 200, answer.text
        assert answer.result["user"]["id"] == grace.id

    def test_is_not_finished_with_the_passkey_of_another(self, api: Api) -> None:
        grace, mallory = a_user(), a_user()
        a_device(api, grace)
        his = a_device(api, mallory)
        token = half_way(api, grace)

        answer = api.post("/auth/login/mfa", {"mfa_token": token, "passkey": his.get(request(api))})

        assert (answer.status_code, answer.code) == (401, "INVALID_MFA_CODE")

    def test_names_no_passkeys_to_who_has_no_token(self, api: Api) -> None:
        answer = api.post(f"{LOGIN}/options", {"mfa_token": "made-up"})

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")

    def test_reauthenticates(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        hers = Api(api.app, login(api, device).result["access_token"])

        answer = hers.post("/auth/reauth", {"passkey": device.get(request(api))})

        assert answer.status_code == 200, answer.text


@pytest.fixture
def another_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody be able to sign in by a provider."""
    monkeypatch.setattr(passkeys_of_auth, "_other_ways", [])
    auth.also_signs_in(lambda _user_id: True)


def prove(person: Person, assertion: Json) -> None:
    with db.unit_of_work():
        passkeys_of_auth.prove(user_id=person.id, assertion=assertion)
