"""GET /auth/me/export: everything that is held of the caller, and nothing of anybody else."""

import json
from typing import Any

import pytest
from sqlalchemy import insert

from app.core import clock as clock_of_app
from app.core.ids import uuid7
from app.features.audit import personal as audit_personal
from app.features.auth.models import Session
from app.infra import db, personal
from tests.api import Api, Person, a_user, an_admin
from tests.features.auth.looks import audited
from tests.features.privacy.whole import CANARY, a_person_with_everything, give_everything
from tests.stepup import proven
from tests.world import World

EXPORT = "/auth/me/export"

SECRETS = {
    "users.password_hash",
    "totp_secrets.secret",
    "mail_outbox.sealed",
    "jobs.arguments",
}
"""Personal, and never shown: they open something."""

DERIVED = {"users.username_key", "users.email_key", "users.search_text"}
"""Computed from columns that are shown."""

NOT_BY_PERSON = {"idempotency_keys.answer"}
"""Nobody can tell whose: its key is an HMAC."""


def export(api: Api, person: Person) -> dict[str, Any]:
    own = api.as_(person)
    proven(person)
    answer = own.get(EXPORT)
    assert answer.status_code == 200, answer.text
    return dict(answer.result)


class TestExport:
    def test_shows_every_personal_column_that_is_no_secret(self, api: Api, world: World) -> None:
        person = a_user()
        api.sign_in(person)
        give_everything(person)

        shown = json.dumps(export(api, person))

        missing = {
            f"{column.table.name}.{column.name}" for column in personal.columns() if f'"{column.name}"' not in shown
        }
        assert missing == SECRETS | DERIVED | NOT_BY_PERSON

    def test_shows_what_is_stored_in_each_place(self, api: Api, world: World) -> None:
        person = a_user(first_name="Ada", last_name="Lovelace")
        api.as_(person)

        found = export(api, person)

        assert found.keys() == {
            *("exported_at", "profile", "roles", "sessions", "links", "api_keys", "totp", "recovery_codes"),
            *("passkeys", "identities", "mails", "jobs", "audit_events"),
        }
        assert found["profile"]["email"] == person.email
        assert found["profile"]["first_name"] == "Ada"
        assert found["profile"]["has_password"] is True
        assert found["roles"] == ["user"]
        assert len(found["sessions"]) == 1

    def test_shows_no_secret_and_no_hash(self, api: Api, world: World) -> None:
        person = a_user()
        api.sign_in(person)
        give_everything(person)

        shown = json.dumps(export(api, person))

        assert "hash" not in shown.replace('"has_password"', "")
        assert "argon2" not in shown
        assert f"{CANARY}secret" not in shown

    def test_shows_nothing_of_others(self, api: Api, world: World) -> None:
        a_person_with_everything()

        shown = json.dumps(export(api, a_user()))

        assert CANARY not in shown

    def test_shows_events_by_and_about_them(self, api: Api, world: World) -> None:
        person, admin = a_user(), an_admin()
        api.post("/auth/login", {"username": person.username, "password": "Wrong-Horse-1"})
        api.as_(admin).patch(f"/api/v1/users/{person.id}", {"first_name": "New"})

        events = export(api, person)["audit_events"]

        names = {event["event"] for event in events["newest"]}
        assert {"user_created", "authn_login_fail", "authn_login_success", "user_updated", "sensitive_read"} <= names
        assert events["total"] == len(events["newest"])

    def test_does_not_show_from_where_others_acted(self, api: Api, world: World) -> None:
        person, admin = a_user(), an_admin()
        api.at("203.0.113.99").as_(admin).patch(f"/api/v1/users/{person.id}", {"first_name": "New"})

        found = export(api.at("198.51.100.1"), person)

        assert "203.0.113.99" not in json.dumps(found)
        assert "198.51.100.1" in json.dumps(found)

    def test_does_not_show_from_where_an_administrator_acted_in_their_name(self, api: Api, world: World) -> None:
        person, admin = a_user(), an_admin()
        now = clock_of_app.now()
        with db.unit_of_work():
            times = dict.fromkeys(("rotated_at", "auth_time", "created_at", "last_used_at", "expires_at"), now)
            session = {"id": uuid7(), "user_id": person.id, "gen": 0, "methods": [], "ip": "203.0.113.99", **times}
            db.session().execute(insert(Session).values(**session, impersonator_id=admin.id))

        shown = export(api, person)

        assert "203.0.113.99" not in json.dumps(shown)
        assert len(shown["sessions"]) == 2

    def test_keeps_to_the_newest_events_and_says_how_many_there_are(
        self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_personal, "NEWEST", 2)
        person = a_user()

        events = export(api, person)["audit_events"]

        assert events["total"] > 2
        assert [event["event"] for event in events["newest"]] == ["sensitive_read", "authn_login_success"]

    def test_is_recorded(self, api: Api, world: World) -> None:
        person = a_user()

        export(api, person)

        (event,) = audited("sensitive_read")
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.id) == (str(person.id), str(person.id))
        assert event.detail == {"what": "export"}

    def test_may_be_kept_by_nobody(self, api: Api, world: World) -> None:
        person = a_user()
        own = api.as_(person)
        proven(person)

        assert own.get(EXPORT).headers["Cache-Control"] == "no-store"

    def test_needs_a_fresh_proof(self, api: Api, world: World) -> None:
        answer = api.as_(a_user()).get(EXPORT)

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")
        assert audited("sensitive_read") == []
