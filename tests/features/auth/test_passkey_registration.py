"""Adding a passkey to one's account."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.features.factors.passkeys import _MOST
from tests.api import Api, a_user
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of
from tests.features.auth.passkeys import (
    REGISTER,
    a_device,
    a_passkey,
    creation,
    login,
    passkeys_of,
    register,
    request,
)
from tests.features.auth.together import at_once
from tests.features.factors.authenticator import AT, BE, BS, KINDS, UP, UV, Authenticator, Kind, b64, es256, rs256
from tests.mails import letters
from tests.stepup import stepped_up
from tests.world import World

BENT: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "http://evil.test"},
    "a frame of another origin": {"cross_origin": True},
    "another host": {"host": "evil.test"},
    "no user verification": {"flags": UP},
    "no user presence": {"flags": UV},
    "the other ceremony": {"kind": "webauthn.get"},
    "an id beyond the standard": {"credential_id": bytes(1024)},
    "a curve that was not asked for": {"key": es256(ec.SECP384R1(), cose_curve=2)},
    "a short RSA key": {"key": rs256(1024)},
}


class TestOptions:
    def test_ask_for_a_key_that_signs_in_alone(self, api: Api) -> None:
        grace = a_user(username="grace", first_name="Grace", last_name="Hopper")

        options = creation(stepped_up(api, grace))

        assert options["rp"] == {"id": "carboy.test", "name": "carboy"}
        assert options["user"] | {"id": ""} == {"id": "", "name": "grace", "displayName": "Grace Hopper"}
        assert [kind["alg"] for kind in options["pubKeyCredParams"]] == [-8, -7, -257]
        assert (options["attestation"], options["timeout"]) == ("none", 300_000)
        assert options["authenticatorSelection"] == {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        }

    def test_name_the_same_opaque_user_each_time_and_another_for_another(self, api: Api) -> None:
        hers, his = stepped_up(api, a_user()), stepped_up(api, a_user())

        handles = [creation(client)["user"]["id"] for client in (hers, hers, his)]

        assert handles[0] == handles[1] != handles[2]
        assert len(handles[0]) == 43

    def test_exclude_what_is_registered(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)

        options = creation(stepped_up(api, grace))

        known = {"id": b64(device.credential_id), "type": "public-key", "transports": ["internal", "hybrid"]}
        assert options["excludeCredentials"] == [known]

    def test_have_a_challenge_of_their_own_each_time(self, api: Api) -> None:
        hers = stepped_up(api, a_user())

        challenges = {creation(hers)["challenge"] for _ in range(3)} | {request(api)["challenge"] for _ in range(3)}

        assert len(challenges) == 6
        assert {len(challenge) for challenge in challenges} == {43}

    @pytest.mark.parametrize("step", ["options", "verify"])
    def test_need_more_than_a_stolen_session(self, api: Api, step: str) -> None:
        thief = api.as_(a_user())
        body = {"credential": Authenticator().create({"user": {"id": ""}, "challenge": "none"})}

        answer = thief.post(f"{REGISTER}/{step}", body)

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")


class TestRegister:
    @pytest.mark.parametrize("kind", KINDS)
    def test_keeps_what_the_browser_made(self, api: Api, kind: Kind) -> None:
        grace = a_user()
        device = Authenticator(key=KINDS[kind](), flags=UP | UV | BE | BS)

        answer = register(stepped_up(api, grace), device, name="My phone")

        assert answer.status_code == 201, answer.text
        assert answer.result["name"] == "My phone"
        assert answer.result["backed_up"] is True
        assert answer.result["transports"] == ["internal", "hybrid"]
        assert answer.result.keys() == {
            "id",
            "name",
            "created_at",
            "last_used_at",
            "backed_up",
            "transports",
            "aaguid",
        }
        assert passkeys_of(grace)[0].credential_id == device.credential_id

    def test_strengthens_this_session_and_ends_the_others(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)
        old = api.as_(grace)
        api.sign_in(grace)
        hers = stepped_up(api, grace)

        register(hers, Authenticator())

        assert old.get("/auth/me").status_code == 401
        assert [session.methods for session in live_sessions_of(grace)] == [["pwd", "hwk", "mfa"]]
        assert hers.get("/auth/me").result["mfa_enabled"] is True

    def test_gives_at_once_what_a_role_withheld(self, world: World) -> None:
        api = Api(world.with_settings(mfa_required_roles=("admin",)))
        admin = a_user(roles=("admin",))
        his = stepped_up(api, admin)
        before = his.get("/api/v1/users")

        register(his, Authenticator())

        assert (before.status_code, before.code) == (403, "SECOND_FACTOR_REQUIRED")
        assert his.get("/api/v1/users").status_code == 200

    def test_is_audited_and_mailed(self, api: Api) -> None:
        grace = a_user()

        a_device(api, grace)

        assert audited("mfa_enrolled")[0].detail == {"factor": "passkey"}
        letter = letters("second_factor_changed")[0]
        assert (letter.to, letter.context) == (grace.email, {"what": "A passkey was added."})

    @pytest.mark.parametrize("bent", BENT.values(), ids=BENT)
    def test_refuses(self, api: Api, bent: dict[str, Any]) -> None:
        grace = a_user()

        answer = register(stepped_up(api, grace), Authenticator(**bent))

        assert (answer.status_code, answer.code) == (422, "PASSKEY_REFUSED")
        assert passkeys_of(grace) == []
        assert letters() == []

    def test_refuses_a_key_that_is_registered(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)

        answer = register(stepped_up(api, grace), device)

        assert (answer.status_code, answer.code) == (409, "PASSKEY_TAKEN")
        assert len(passkeys_of(grace)) == 1

    def test_does_not_move_a_key_from_one_account_to_another(self, api: Api) -> None:
        grace, mallory = a_user(), a_user()
        device = a_device(api, grace)
        copied = Authenticator(credential_id=device.credential_id)

        answer = register(stepped_up(api, mallory), copied)

        assert (answer.status_code, answer.code) == (409, "PASSKEY_TAKEN")
        assert login(api, device).result["user"]["id"] == grace.id

    def test_ends_at_twenty(self, api: Api) -> None:
        grace = a_user()
        hers = stepped_up(api, grace)
        for _ in range(_MOST - 1):
            a_passkey(grace)
        bodies = [{"credential": Authenticator().create(creation(hers))} for _ in range(3)]

        answers = at_once(3, lambda number: hers.post(f"{REGISTER}/verify", bodies[number]))

        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
        assert {answer.code for answer in answers if answer.status_code == 409} == {"TOO_MANY_PASSKEYS"}

    def test_reads_past_what_later_levels_of_the_standard_add(self, api: Api) -> None:
        hers = stepped_up(api, a_user())
        credential = Authenticator().create(creation(hers))
        credential |= {"newInLevelNine": 1, "response": credential["response"] | {"publicKey": None}}

        assert hers.post(f"{REGISTER}/verify", {"credential": credential}).status_code == 201

    def test_does_not_believe_a_flag_that_nobody_signed(self, api: Api) -> None:
        grace = a_user()

        register(stepped_up(api, grace), Authenticator(flags=UP | UV | AT))

        assert passkeys_of(grace)[0].backed_up is False


class TestChallenge:
    def test_works_once(self, api: Api) -> None:
        hers = stepped_up(api, a_user())
        options = creation(hers)
        bodies = [{"credential": Authenticator().create(options)} for _ in range(2)]

        first, again = (hers.post(f"{REGISTER}/verify", body) for body in bodies)

        assert first.status_code == 201
        assert (again.status_code, again.code) == (422, "PASSKEY_REFUSED")

    def test_works_once_also_for_many_at_once(self, api: Api) -> None:
        grace = a_user()
        hers = stepped_up(api, grace)
        options = creation(hers)
        bodies = [{"credential": Authenticator().create(options)} for _ in range(6)]

        answers = at_once(6, lambda number: hers.post(f"{REGISTER}/verify", bodies[number]))

        assert sorted(answer.status_code for answer in answers) == [201] + [422] * 5
        assert len(passkeys_of(grace)) == 1

    @pytest.mark.parametrize(("seconds", "status"), [(299, 201), (300, 422)], ids=["in time", "too late"])
    def test_works_for_five_minutes(self, api: Api, clock: Clock, seconds: int, status: int) -> None:
        hers = stepped_up(api, a_user())
        options = creation(hers)
        clock.advance(seconds=seconds)

        answer = hers.post(f"{REGISTER}/verify", {"credential": Authenticator().create(options)})

        assert answer.status_code == status

    def test_of_another_is_refused(self, api: Api) -> None:
        grace, mallory = a_user(), a_user()
        options = creation(stepped_up(api, grace))

        answer = stepped_up(api, mallory).post(f"{REGISTER}/verify", {"credential": Authenticator().create(options)})

        assert (answer.status_code, answer.code) == (422, "PASSKEY_REFUSED")
        assert passkeys_of(mallory) == []

    def test_of_a_sign_in_registers_nothing(self, api: Api) -> None:
        hers = stepped_up(api, a_user())
        options = request(api) | {"user": {"id": ""}}

        answer = hers.post(f"{REGISTER}/verify", {"credential": Authenticator().create(options)})

        assert (answer.status_code, answer.code) == (422, "PASSKEY_REFUSED")
