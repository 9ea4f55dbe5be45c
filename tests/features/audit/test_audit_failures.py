"""Failures are recorded although their request is rolled back, also when it had written something before."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from app.features.auth import service as auth
from app.features.auth.models import Session
from app.infra import db
from tests.api import Answer, Api, Person, a_holder_of, a_user, an_admin
from tests.features.audit.test_audit_chain import verified
from tests.features.auth.looks import audited, users_named
from tests.features.auth.together import at_once
from tests.stepup import proven
from tests.world import PASSWORD

pytestmark = pytest.mark.usefixtures("world")

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NEW = {"username": "newcomer", "email": "newcomer@people.test", "roles": ["admin"]}
KEY = {"Idempotency-Key": "the-same-each-time"}


def set_up(api: Api, code: str) -> Answer:
    body = f"code={code}&username=ada&email=ada@royal.test&password={PASSWORD}".encode()
    return api.post("/setup", data=body, headers=FORM)


class TestRolledBack:
    @pytest.mark.parametrize("headers", [{}, KEY], ids=["once", "with an Idempotency-Key"])
    def test_who_reaches_above_themselves_is_recorded_and_nothing_they_wrote_stays(
        self, api: Api, headers: dict[str, str]
    ) -> None:
        climber = a_holder_of("users:write", "users:read")

        answer = api.as_(climber).post("/api/v1/users", NEW, headers=headers)

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert users_named("newcomer") == 0
        (event,) = audited("authz_fail")
        assert event.detail["code"] == "PRIVILEGE_ESCALATION"
        assert event.actor is not None
        assert event.actor.id == str(climber.id)
        assert verified().fault is None

    def test_changes_before_the_failure_are_gone_and_the_failure_is_there(self, api: Api) -> None:
        climber, victim = a_holder_of("users:write", "users:read"), a_user(first_name="Ada")

        api.as_(climber).patch(f"/api/v1/users/{victim.id}", {"first_name": "Eve", "roles": ["admin"]})

        assert api.as_(climber).get(f"/api/v1/users/{victim.id}").result["first_name"] == "Ada"
        assert len(audited("authz_fail")) == 1
        assert audited("user_updated") == []

    def test_each_of_many_at_once_is_recorded(self, api: Api) -> None:
        climber = api.as_(a_holder_of("users:write"))

        at_once(10, lambda _: climber.post("/api/v1/users", NEW).status_code)

        assert len(audited("authz_fail")) == 10
        assert verified().fault is None


class TestRefusedKindOfCaller:
    def as_impersonated(self, api: Api, person: Person, admin: Person) -> Api:
        own = api.as_(person)
        proven(person)
        with db.unit_of_work():
            db.session().execute(update(Session).where(Session.user_id == person.id).values(impersonator_id=admin.id))
        return own

    @pytest.mark.parametrize(
        "act",
        [lambda api: api.get("/auth/me/export"), lambda api: api.delete("/auth/me")],
        ids=["export", "delete"],
    )
    def test_is_recorded_with_both_names(self, api: Api, act: Callable[[Api], Any]) -> None:
        person, admin = a_user(), an_admin()

        answer = act(self.as_impersonated(api, person, admin))

        assert (answer.status_code, answer.code) == (403, "IMPERSONATION_FORBIDS")
        (event,) = audited("authz_fail")
        assert event.actor is not None
        assert event.actor.id == str(person.id)
        assert event.detail == {"code": "IMPERSONATION_FORBIDS", "impersonator": str(admin.id)}
        assert audited("sensitive_read") == audited("user_deleted") == []

    def test_is_not_recorded_where_it_is_only_asked_for_a_fresh_proof(self, api: Api) -> None:
        assert api.as_(a_user()).get("/auth/me/export").code == "REAUTHENTICATION_REQUIRED"

        assert audited("authz_fail") == []


class TestSetUp:
    def test_with_a_wrong_code_is_recorded_while_the_door_is_open(self, api: Api) -> None:
        with db.unit_of_work():
            auth.make_setup_code()

        assert set_up(api, "guessed").status_code == 422

        (event,) = audited("authz_admin")
        assert (event.outcome, event.detail) == ("failure", {"by": "setup code", "code": "INVALID_CODE"})

    def test_lets_strangers_write_nothing_once_the_door_is_shut(self, api: Api) -> None:
        an_admin()

        assert set_up(api, "guessed").status_code == 422

        assert audited("authz_admin") == []
