"""Somebody who proved a moment ago that it is them, and what they can make then."""

from typing import Any

from sqlalchemy import update

from app.core import clock
from app.features.auth.models import Session
from app.infra import db
from tests.api import Api, Person

KEYS = "/api/v1/api-keys"


def proven(person: Person) -> None:
    """Let somebody have reauthenticated just now, in all their sessions."""
    with db.unit_of_work():
        mine = update(Session).where(Session.user_id == person.id)
        db.session().execute(mine.values(reauthenticated_at=clock.now()))


def stepped_up(api: Api, person: Person) -> Api:
    """Return a client of somebody who has reauthenticated just now."""
    client = api.as_(person)
    proven(person)
    return client


def a_key(api: Api, owner: Person, *scopes: str, **more: Any) -> dict[str, Any]:
    """Make an API key as its owner does, and return it with its secret."""
    answer = stepped_up(api, owner).post(KEYS, {"name": "a program", "scopes": list(scopes), **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.result)


def with_key(api: Api, key: dict[str, Any]) -> Api:
    """Return a client that sends this key as bearer."""
    return Api(api.app, key["secret"], dict(api.headers), api.address)


def as_another(api: Api, impersonator: Person, user: Person) -> Api:
    """Return a client of somebody who acts as a user."""
    path = f"/api/v1/users/{user.id}/impersonate"
    answer = stepped_up(api, impersonator).post(path, {"reason": "They asked for help."})
    assert answer.status_code == 200, answer.text
    return Api(api.app, answer.result["access_token"], dict(api.headers), api.address)
