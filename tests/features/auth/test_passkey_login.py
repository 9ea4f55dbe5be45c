"""Signing in with a passkey alone."""

from typing import Any

import pytest

from app.features.auth import service as auth
from tests.api import Api, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of
from tests.features.auth.passkeys import (
    LOGIN,
    a_device,
    challenged_by,
    challenges,
    creation,
    login,
    passkeys_of,
    request,
)
from tests.features.auth.together import at_once
from tests.features.factors.authenticator import BS, KINDS, UP, UV, Authenticator, Kind, b64, es256
from tests.stepup import stepped_up
from tests.world import World

BENT: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "http://evil.test"},
    "another scheme": {"origin": "https://carboy.test"},
    "another port": {"origin": "http://carboy.test:8000"},
    "an origin that only begins alike": {"origin": "http://carboy.test.evil.test"},
    "a frame of another origin": {"cross_origin": True},
    "another host": {"host": "evil.test"},
    "no user verification": {"flags": UP},
    "no user presence": {"flags": UV},
    "a backup that cannot be": {"flags": UP | UV | BS},
    "the other ceremony": {"kind": "webauthn.create"},
    "another key's signature": {"key": es256()},
    "another's handle": {"handle": b"somebody else"},
    "an unknown credential": {"credential_id": b"nobody knows this credential"},
}


class TestLogin:
    @pytest.mark.parametrize("kind", KINDS)
    def test_needs_neither_name_nor_password(self, api: Api, kind: Kind) -> None:
        grace = a_user()
        device = a_device(api, grace, key=KINDS[kind]())

        answer = login(api, device)

        assert answer.status_code == 200, answer.text
        assert answer.result["user"]["id"] == grace.id
        hers = Api(api.app, answer.result["access_token"])
        assert hers.get("/auth/me").result["username"] == grace.username

    def test_counts_as_two_factors(self, world: World) -> None:
        api = Api(world.with_settings(mfa_required_roles=("admin",)))
        admin = an_admin()
        device = a_device(api, admin)

        signed_in = Api(api.app, login(api, device).result["access_token"])

        assert live_sessions_of(admin)[-1].methods == ["hwk", "user", "mfa"]
        assert signed_in.get("/api/v1/users").status_code == 200

    def test_works_without_the_handle_that_security_keys_may_leave_out(self, api: Api) -> None:
        device = a_device(api, a_user())
        device.handle = None

        assert login(api, device).status_code == 200

    def test_works_whatever_host_the_request_names(self, api: Api) -> None:
        device = a_device(api, a_user())
        api.headers["Host"] = "evil.test"

        options = request(api)

        assert options["rpId"] == "carboy.test"
        assert login(api, device).status_code == 200

    def test_notes_when_the_passkey_was_used(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        device = a_device(api, grace)
        clock.advance(days=3)

        login(api, device)

        assert passkeys_of(grace)[0].last_used_at == clock.now()
        assert audited("authn_login_success")[0].detail["methods"] == ["hwk", "user", "mfa"]

    @pytest.mark.parametrize("bent", BENT.values(), ids=BENT)
    def test_refuses(self, api: Api, bent: dict[str, Any]) -> None:
        grace = a_user()
        device = a_device(api, grace)
        vars(device).update(bent)

        answer = login(api, device)

        assert (answer.status_code, answer.code) == (401, "INVALID_PASSKEY")
        assert len(live_sessions_of(grace)) == 1
        assert audited("authn_login_fail")[0].detail == {"code": "INVALID_PASSKEY", "factor": "passkey"}

    def test_refuses_a_key_under_the_credential_of_another(self, api: Api) -> None:
        grace, mallory = a_user(), a_user()
        hers, his = a_device(api, grace), a_device(api, mallory)
        his.credential_id = hers.credential_id

        assert login(api, his).status_code == 401
        assert len(live_sessions_of(grace)) == 1

    def test_says_the_same_of_unknown_and_wrong(self, api: Api) -> None:
        wrong, unknown = a_device(api, a_user()), Authenticator()
        wrong.key = es256()

        answers = [login(api, device).json["error"] for device in (wrong, unknown)]

        assert answers[0] == answers[1]

    def test_says_that_an_account_is_disabled_only_to_who_has_its_key(self, api: Api) -> None:
        grace = a_user()
        device, impostor = a_device(api, grace), Authenticator()
        impostor.credential_id, impostor.handle = device.credential_id, device.handle
        api.as_(an_admin()).patch(f"/api/v1/users/{grace.id}", {"is_active": False})

        right, wrong = login(api, device), login(api, impostor)

        assert (right.status_code, right.code) == (403, "ACCOUNT_DISABLED")
        assert (wrong.status_code, wrong.code) == (401, "INVALID_PASSKEY")
        assert [event.detail["code"] for event in audited("authn_login_fail")] == [
            "INVALID_PASSKEY",
            "ACCOUNT_DISABLED",
        ]
        assert live_sessions_of(grace) == []

    def test_refuses_the_deleted(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        api.as_(an_admin()).delete(f"/api/v1/users/{grace.id}")

        answer = login(api, device)

        assert (answer.status_code, answer.code) == (401, "INVALID_PASSKEY")

    def test_does_not_outlive_a_ban(self, api: Api) -> None:
        grace, admin = a_user(), api.as_(an_admin())
        device = a_device(api, grace)
        bodies = [{"credential": device.get(request(api))} for _ in range(4)]
        ban = ("PATCH", f"/api/v1/users/{grace.id}", {"is_active": False})
        requests = [*[("POST", f"{LOGIN}/verify", body) for body in bodies], ban]

        answers = at_once(5, lambda number: admin.send(*requests[number]))

        assert answers[4].status_code == 200
        assert {answer.status_code for answer in answers[:4]} <= {200, 403}
        assert live_sessions_of(grace) == []


class TestChallenge:
    def test_works_once(self, api: Api) -> None:
        body = {"credential": a_device(api, a_user()).get(request(api))}

        first, again = (api.post(f"{LOGIN}/verify", body) for _ in range(2))

        assert first.status_code == 200
        assert (again.status_code, again.code) == (401, "INVALID_PASSKEY")

    def test_works_once_also_for_many_at_once(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        options = request(api)
        bodies = [{"credential": device.get(options)} for _ in range(8)]

        answers = at_once(8, lambda number: api.post(f"{LOGIN}/verify", bodies[number]))

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
        assert len(live_sessions_of(grace)) == 2

    def test_is_spent_by_a_wrong_answer(self, api: Api) -> None:
        device, options = a_device(api, a_user()), request(api)
        impostor = Authenticator(credential_id=device.credential_id, handle=device.handle)
        api.post(f"{LOGIN}/verify", {"credential": impostor.get(options)})

        assert api.post(f"{LOGIN}/verify", {"credential": device.get(options)}).status_code == 401

    @pytest.mark.parametrize(("seconds", "status"), [(299, 200), (300, 401)], ids=["in time", "too late"])
    def test_works_for_five_minutes(self, api: Api, clock: Clock, seconds: int, status: int) -> None:
        device, options = a_device(api, a_user()), request(api)
        clock.advance(seconds=seconds)

        assert api.post(f"{LOGIN}/verify", {"credential": device.get(options)}).status_code == status

    def test_must_be_one_of_ours(self, api: Api) -> None:
        device = a_device(api, a_user())

        answer = api.post(f"{LOGIN}/verify", {"credential": device.get({"challenge": b64(bytes(32))})})

        assert answer.status_code == 401

    def test_of_a_registration_signs_nobody_in(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        options = creation(stepped_up(api, grace))

        assert api.post(f"{LOGIN}/verify", {"credential": device.get(options)}).status_code == 401

    def test_of_somebody_signs_only_them_in(self, api: Api) -> None:
        grace, mallory = a_user(), a_user()
        hers, his = a_device(api, grace), a_device(api, mallory)
        options = [challenged_by(api, grace) for _ in range(2)]

        answers = [
            api.post(f"{LOGIN}/verify", {"credential": device.get(asked)})
            for device, asked in zip((his, hers), options, strict=True)
        ]

        assert [answer.status_code for answer in answers] == [401, 200]

    def test_is_forgotten_once_it_is_over(self, api: Api, clock: Clock) -> None:
        request(api)
        clock.advance(minutes=5)
        request(api)

        auth.forget_expired_links()

        assert challenges() == 1


class TestCounter:
    def test_grows_with_each_use(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace, counts=True)

        answers = [login(api, device).status_code for _ in range(3)]

        assert answers == [200, 200, 200]
        assert passkeys_of(grace)[0].sign_count == 3

    @pytest.mark.parametrize("count", [5, 4, 0], ids=["the same again", "back", "to nothing"])
    def test_that_does_not_grow_is_a_copy(self, api: Api, count: int) -> None:
        grace = a_user()
        device = a_device(api, grace, counts=True)
        device.count = 4
        assert login(api, device).status_code == 200
        device.count, device.counts = count, False

        answer = login(api, device)

        assert (answer.status_code, answer.code) == (401, "INVALID_PASSKEY")
        assert passkeys_of(grace)[0].sign_count == 5

    def test_of_two_copies_at_once_lets_one_in(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)
        device.count = 7
        bodies = [{"credential": device.get(request(api))} for _ in range(6)]

        answers = at_once(6, lambda number: api.post(f"{LOGIN}/verify", bodies[number]))

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5

    def test_may_stay_at_zero(self, api: Api) -> None:
        device = a_device(api, a_user())

        assert [login(api, device).status_code for _ in range(2)] == [200, 200]


class TestThrottle:
    def test_refuses_the_fifty_first_from_one_address(self, api: Api, clock: Clock) -> None:
        device = a_device(api, a_user())
        guesses = [login(api, Authenticator()).status_code for _ in range(50)]

        answer = login(api, device)

        assert guesses == [401] * 50
        assert (answer.status_code, answer.code) == (429, "TOO_MANY_ATTEMPTS")
        assert answer.headers["Retry-After"] == "900"
        assert login(api.at("192.0.2.7"), device).status_code == 200

    def test_is_not_spent_by_success(self, api: Api) -> None:
        device = a_device(api, a_user())

        assert {login(api, device).status_code for _ in range(52)} == {200}

    def test_counts_with_the_other_sign_ins_of_an_address(self, world: World) -> None:
        api = Api(world.with_settings(ratelimit_scale=1))
        body = {"credential": Authenticator().get({"challenge": "none"})}

        answers = [api.post(f"{LOGIN}/verify", body) for _ in range(11)]

        assert [answer.status_code for answer in answers] == [401] * 10 + [429]
        assert answers[-1].code == "RATE_LIMITED"
