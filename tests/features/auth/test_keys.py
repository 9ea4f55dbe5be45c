import time
from contextlib import suppress
from hashlib import sha256

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import delete, select

from app.core.errors import Conflict
from app.features.auth import keys
from app.features.auth import service as auth
from app.features.auth.models import SigningKey
from app.infra import db
from tests.api import Api, a_user
from tests.conftest import Clock
from tests.features.auth.forge import base64url, header_of, our_key
from tests.features.auth.looks import audited, signing_keys
from tests.features.auth.together import at_once
from tests.world import PASSWORD, World

pytestmark = pytest.mark.usefixtures("world")

ANOTHER_SECRET = "another secret of the tests of thirty-two characters and more"


def rotate() -> str:
    with db.unit_of_work():
        return auth.rotate_keys()


def published(api: Api) -> list[str]:
    return [key["kid"] for key in api.get("/.well-known/jwks.json").json["keys"]]


class TestPublished:
    def test_are_public_parts_only(self, api: Api) -> None:
        answer = api.get("/.well-known/jwks.json")

        assert answer.status_code == 200
        assert set(answer.json) == {"keys"}
        for key in answer.json["keys"]:
            assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
            assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")

    def test_may_be_cached_by_anybody(self, api: Api) -> None:
        answer = api.get("/.well-known/jwks.json")

        assert answer.headers["Cache-Control"] == "public, max-age=600"

    def test_include_the_next_one_before_it_signs(self, api: Api) -> None:
        active, coming = signing_keys("active")[0].kid, signing_keys("next")[0].kid

        assert set(published(api)) == {active, coming}

    def test_are_named_by_their_thumbprint(self, api: Api) -> None:
        for key in api.get("/.well-known/jwks.json").json["keys"]:
            canonical = f'{{"crv":"P-256","kty":"EC","x":"{key["x"]}","y":"{key["y"]}"}}'
            assert key["kid"] == base64url(sha256(canonical.encode()).digest())

    def test_let_anybody_verify_a_token(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)
        keyset = KeySet.import_key_set(api.get("/.well-known/jwks.json").json)

        verified = jwt.decode(str(grace.access_token), keyset, algorithms=["ES256"])

        assert verified.claims["sub"] == str(grace.id)


class TestRotation:
    def test_lets_the_next_key_sign(self, api: Api) -> None:
        coming = signing_keys("next")[0].kid

        signs_now = rotate()

        grace = a_user()
        api.sign_in(grace)
        assert signs_now == coming
        assert header_of(grace.access_token)["kid"] == header_of(grace.refresh_token)["kid"] == coming

    def test_leaves_earlier_tokens_good(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)

        rotate()

        assert hers.get("/auth/me").status_code == 200
        answer = api.post("/auth/refresh", {"refresh_token": grace.refresh_token})
        assert answer.status_code == 200
        assert header_of(answer.result["refresh_token"])["kid"] == our_key().kid

    def test_publishes_the_old_the_present_and_the_coming_key(self, api: Api) -> None:
        before = published(api)

        rotate()

        after = published(api)
        assert len(after) == 3
        assert set(before) < set(after)
        assert after[0] == signing_keys("active")[0].kid

    def test_forgets_a_key_once_all_its_tokens_expired(self, api: Api, clock: Clock) -> None:
        first = our_key().kid
        rotate()
        clock.advance(days=30)
        rotate()
        after_thirty_days = published(api)
        clock.advance(seconds=1)

        rotate()

        assert first in after_thirty_days
        assert first not in published(api)

    def test_is_audited(self) -> None:
        kid = rotate()

        event = audited("key_rotated")[0]
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.type, event.target.type, event.target.id) == ("operator", "signing_key", kid)

    def test_by_two_at_once_leaves_one_active_key_and_one_next(self, api: Api) -> None:
        def attempt(_: int) -> None:
            with suppress(Conflict):
                rotate()

        at_once(2, attempt)

        assert len(signing_keys("active")) == len(signing_keys("next")) == 1
        assert api.post("/auth/login", {"username": a_user().username, "password": PASSWORD}).status_code == 200

    def test_reaches_a_process_that_does_not_know_the_key_yet(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        earlier = keys.signer()
        rotate()
        rotate()
        grace = a_user()
        api.sign_in(grace)
        assert not earlier.knows(header_of(grace.access_token)["kid"])
        keys._signer, keys._read_at = earlier, time.monotonic() - 3

        assert api.as_(grace).get("/auth/me").status_code == 200

    def test_reaches_every_process_within_a_minute(self, api: Api) -> None:
        earlier = keys.signer()
        signs_now = rotate()
        keys._signer, keys._read_at = earlier, time.monotonic() - 61

        grace = a_user()
        api.sign_in(grace)

        assert header_of(grace.access_token)["kid"] == signs_now


class TestStored:
    def test_are_encrypted(self) -> None:
        key = our_key()
        secret = str(key.as_dict(private=True)["d"])

        for stored in (signing_keys("active")[0], signing_keys("next")[0]):
            assert b"PRIVATE" not in stored.private_key
            assert secret.encode() not in stored.private_key
            assert bytes(key.as_der(private=True)) not in stored.private_key

    def test_are_made_once_by_several_at_once(self) -> None:
        with db.unit_of_work():
            db.session().execute(delete(SigningKey))
        keys._forget()

        def ensure(_: int) -> None:
            with db.unit_of_work():
                auth.ensure_keys()

        at_once(4, ensure)

        assert len(signing_keys("active")) == len(signing_keys("next")) == 1

    def test_stay_when_all_are_there(self) -> None:
        before = our_key().kid, signing_keys("next")[0].kid

        with db.unit_of_work():
            auth.ensure_keys()
        keys._forget()

        assert (our_key().kid, signing_keys("next")[0].kid) == before


class TestUnreadableKey:
    def spoil(self, status: str) -> str:
        with db.unit_of_work():
            key = db.session().scalars(select(SigningKey).where(SigningKey.status == status)).one()
            key.private_key = key.private_key[:-1] + bytes([key.private_key[-1] ^ 1])
        keys._forget()
        return key.kid

    def test_that_is_next_disturbs_nobody_and_is_replaced(self, api: Api) -> None:
        spoiled = self.spoil("next")

        assert api.as_(a_user()).get("/auth/me").status_code == 200
        assert spoiled not in published(api)

        with db.unit_of_work():
            auth.ensure_keys()
        assert signing_keys("next")[0].kid != spoiled
        assert signing_keys("retired")[0].kid == spoiled

    def test_that_is_active_lets_nobody_in_until_it_is_replaced(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)
        spoiled = self.spoil("active")
        assert hers.get("/auth/me").status_code == 503

        with db.unit_of_work():
            auth.ensure_keys()

        assert hers.get("/auth/me").status_code == 401
        assert api.sign_in(grace).status_code == 200
        assert header_of(grace.access_token)["kid"] != spoiled

    def test_that_is_retired_disturbs_only_its_own_tokens(self, api: Api) -> None:
        of_before, of_now = a_user(), a_user()
        api.sign_in(of_before)
        rotate()
        api.sign_in(of_now)

        self.spoil("retired")

        assert api.as_(of_before).get("/auth/me").status_code == 401
        assert api.as_(of_now).get("/auth/me").status_code == 200


class TestAnotherSecret:
    def test_opens_no_key_so_that_nobody_can_sign_in(self, world: World) -> None:
        grace = a_user()
        api = Api(world.with_settings(secret_key=ANOTHER_SECRET))

        answer = api.post("/auth/login", {"username": grace.username, "password": PASSWORD})

        assert (answer.status_code, answer.code) == (503, "UNAVAILABLE")
        assert "Retry-After" in answer.headers

    def test_says_in_the_log_what_to_do(self, world: World, lines: list[bytes]) -> None:
        api = Api(world.with_settings(secret_key=ANOTHER_SECRET))

        api.get("/.well-known/jwks.json")

        assert b"flask init-db" in b"".join(lines)

    def test_gets_new_keys_and_believes_no_old_token(self, world: World) -> None:
        grace = a_user()
        hers = Api(world.app).as_(grace)
        old = set(published(hers))
        api = Api(world.with_settings(secret_key=ANOTHER_SECRET))

        with db.unit_of_work():
            auth.ensure_keys()

        assert len(published(api)) == 2
        assert set(published(api)) & old == set()
        assert Api(api.app, grace.access_token).get("/auth/me").status_code == 401
        api.sign_in(grace)
        assert api.as_(grace).get("/auth/me").status_code == 200

    def test_prepended_to_the_old_one_changes_nothing_for_anybody(self, world: World) -> None:
        grace = a_user()
        Api(world.app).sign_in(grace)

        api = Api(world.with_settings(secret_key=(ANOTHER_SECRET, *world.settings.secret_key)))

        assert api.as_(grace).get("/auth/me").status_code == 200

    def test_prepended_encrypts_what_is_made_from_then_on(self, world: World) -> None:
        world.with_settings(secret_key=(ANOTHER_SECRET, *world.settings.secret_key))
        rotate()
        rotate()

        api = Api(world.with_settings(secret_key=ANOTHER_SECRET))

        grace = a_user()
        api.sign_in(grace)
        assert api.as_(grace).get("/auth/me").status_code == 200
