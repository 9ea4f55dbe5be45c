"""An address that nobody had proven: whoever registered it may have been waiting for its owner."""

import pytest
from sqlalchemy import func, select

from app.core import clock
from app.core.ids import uuid7
from app.features.oidc.models import Identity
from app.infra import db
from tests.api import Api, Person, a_user
from tests.authenticator import enrolled
from tests.features.auth.passkeys import a_passkey, passkeys_of
from tests.links import NEW_PASSWORD, reset, reset_link
from tests.stepup import a_key, with_key

ME = "/auth/me"


def link(person: Person) -> None:
    """Let somebody elsewhere sign in to an account."""
    with db.unit_of_work():
        elsewhere = {"provider": "elsewhere", "issuer": "https://elsewhere.test", "subject": str(person.id)}
        db.session().add(Identity(id=uuid7(), user_id=person.id, created_at=clock.now(), **elsewhere))


def linked(person: Person) -> int:
    with db.unit_of_work(writes=False):
        return db.session().scalar(select(func.count()).where(Identity.user_id == person.id)) or 0


def prepared(api: Api, *, email_verified: bool) -> tuple[Person, Api]:
    """Return somebody with every other way in, and one of these: a client with an API key."""
    person = a_user(email_verified=email_verified)
    program = with_key(api, a_key(api, person))
    a_passkey(person)
    link(person)
    return person, program


class TestReset:
    def test_forgets_what_a_stranger_may_have_set_up(self, api: Api) -> None:
        grace, program = prepared(api, email_verified=False)

        assert reset(api, reset_link(api, grace)).status_code == 204

        assert program.get(ME).status_code == 401
        assert (len(passkeys_of(grace)), linked(grace)) == (0, 0)

    def test_keeps_what_the_owner_of_a_proven_address_set_up(self, api: Api) -> None:
        grace, program = prepared(api, email_verified=True)

        assert reset(api, reset_link(api, grace)).status_code == 204

        assert program.get(ME).status_code == 200
        assert (len(passkeys_of(grace)), linked(grace)) == (1, 1)

    @pytest.mark.parametrize("email_verified", [False, True], ids=["unproven", "proven"])
    def test_leaves_the_authenticator_asked_for(self, api: Api, *, email_verified: bool) -> None:
        grace = a_user(email_verified=email_verified)
        enrolled(api, grace)

        assert reset(api, reset_link(api, grace)).status_code == 204

        answer = api.post("/auth/login", {"username": grace.username, "password": NEW_PASSWORD})
        assert answer.result["methods"] == ["totp", "recovery_code"]
