"""What people had on SQLite they have on PostgreSQL: every proof of who they are, and all that was noted of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.features.audit import service as audit
from app.infra import db
from tests.api import Api, Person, a_user, an_admin, some_users
from tests.authenticator import Authenticator, enrolled, finish, half_signed_in
from tests.conftest import Clock
from tests.features.oidc import stranger as strangers
from tests.features.oidc.browser import Browser
from tests.features.oidc.stranger import CLIENT, SECRET
from tests.mails import letters
from tests.main import moved
from tests.stepup import a_key, with_key
from tests.world import PASSWORD, SERVICES, World

pytestmark = [
    pytest.mark.skipif(not SERVICES, reason="moves to a PostgreSQL, which only the services world has"),
    pytest.mark.slow,
]


@dataclass
class House:
    """What there was before the move, and the application after it."""

    app: Flask
    ada: Person
    grace: Person
    boss: Person
    key: dict[str, Any]
    authenticator: Authenticator
    sessions: list[dict[str, Any]]
    stranger_id: int
    letters: int
    head: str
    last_id: int


@pytest.fixture
def house(world: World, tmp_path: Path, clock: Clock) -> Iterator[House]:
    with strangers.running() as stranger, moved.target(tmp_path) as url:
        provider = {"name": "stranger", "issuer": stranger.url, "client_id": CLIENT, "client_secret": SECRET}
        stranger.person = {"sub": "x-1", "email": "x@people.test", "email_verified": True}
        app = moved.on_sqlite(world, tmp_path / "old.db", oidc_providers=[provider])
        api = Api(app)
        boss, ada, grace = an_admin(), a_user(), a_user()
        key, authenticator = a_key(api, boss, "users:read"), enrolled(api, grace)
        api.sign_in(ada)
        newcomer = Browser(app).tokens("stranger")["user"]["id"]
        some_users(50)
        assert api.post("/auth/password/forgot", {"email": ada.email}).status_code == 202
        with db.unit_of_work(writes=False):
            head = audit.verify().head
        sessions, waiting = api.as_(ada).get("/auth/sessions").result, len(letters())

        run = moved.move(app, url)

        assert run.exit_code == 0, run.output
        after = world.with_settings(database_url=url, secret_key=(moved.SECRET,), oidc_providers=[provider])
        yield House(after, ada, grace, boss, key, authenticator, sessions, newcomer, waiting, head, newcomer + 50)


def test_everybody_finds_everything_where_it_was(house: House, clock: Clock) -> None:
    api = Api(house.app)

    access = api.as_(house.ada).get("/auth/me")
    sessions = api.as_(house.ada).get("/auth/sessions").result
    refreshed = api.post("/auth/refresh", {"refresh_token": house.ada.refresh_token})
    password = api.post("/auth/login", {"username": house.ada.username, "password": PASSWORD})
    programs = with_key(api, house.key).get("/api/v1/users?per_page=1")
    used = finish(api, half_signed_in(api, house.grace), code=house.authenticator.code())
    clock.advance(seconds=30)
    second = finish(api, half_signed_in(api, house.grace), code=house.authenticator.code())
    elsewhere = Browser(house.app).tokens("stranger")["user"]["id"]
    with db.unit_of_work(writes=False):
        chain = audit.verify()
    new = api.post("/auth/register", {"username": "new", "email": "new@people.test", "password": "Engine-1842-No"})

    assert (access.status_code, access.result["id"]) == (200, house.ada.id)
    assert [one["id"] for one in sessions] == [one["id"] for one in house.sessions]
    assert (refreshed.status_code, password.status_code) == (200, 200)
    assert (programs.status_code, programs.json["pagination"]["total_items"]) == (200, house.last_id)
    assert (used.status_code, used.code) == (401, "INVALID_MFA_CODE")  # its step was used before the move
    assert second.status_code == 200, second.text
    assert elsewhere == house.stranger_id
    assert chain.fault is None
    assert (new.status_code, new.result["id"]) == (201, house.last_id + 1)


def test_the_trail_goes_on_where_it_was(house: House) -> None:
    with db.unit_of_work(writes=False):
        moved_in = audit.verify()
    Api(house.app).sign_in(house.ada)

    with db.unit_of_work(writes=False):
        after = audit.verify()

    assert moved_in.head == house.head != after.head
    assert (after.fault, after.rows > moved_in.rows) == (None, True)


def test_letters_that_waited_are_still_there_and_open(house: House) -> None:
    [link] = [letter for letter in letters() if letter.template == "reset_password"]

    reset = {"token": link.token, "new_password": "Another-1842-Notes"}

    assert len(letters()) == house.letters
    assert Api(house.app).post("/auth/password/reset", reset).status_code in {200, 204}
