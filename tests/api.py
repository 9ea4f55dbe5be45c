"""A client that speaks as clients of the API do, and people to speak for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.core import clock
from app.core.caller import OPERATOR
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.auth.models import Session
from app.infra import db
from tests.world import PASSWORD

_numbers = count(1)

USER_FIELDS = frozenset(
    {
        "id",
        "username",
        "email",
        "email_verified",
        "first_name",
        "last_name",
        "is_active",
        "roles",
        "created_at",
        "updated_at",
    }
)
"""What everybody who sees a user sees."""


class Answer(TestResponse):
    """What the service answered; ``json`` is whatever it is."""

    @property
    def json(self) -> Any:
        return super().json

    @property
    def result(self) -> Any:
        """Return the ``data`` of a success."""
        assert self.json["status"] == "success", self.text
        return self.json["data"]

    @property
    def code(self) -> str:
        """Return the code of a failure."""
        return str(self.json["error"]["code"])

    @property
    def details(self) -> dict[str, list[str]]:
        """Return the details of a failure."""
        return dict(self.json["error"]["details"])


@dataclass
class Person:
    """Somebody with an account, and their tokens once they signed in."""

    id: int
    username: str
    email: str
    password: str = PASSWORD
    access_token: str | None = None
    refresh_token: str | None = None


@dataclass
class Api:
    """JSON in and out, over the whole application; ``as_(person)`` sends their access token."""

    app: Flask
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"

    def as_(self, person: Person) -> "Api":
        """Return a client that is signed in as this person; signs them in if they are not yet."""
        if person.access_token is None:
            self.sign_in(person)
        return Api(self.app, person.access_token, dict(self.headers), self.address)

    def at(self, address: str) -> "Api":
        """Return the same client at another address."""
        return Api(self.app, self.token, dict(self.headers), address)

    def sign_in(self, person: Person) -> Answer:
        """Sign a person in and keep their tokens."""
        answer = self.post("/auth/login", {"username": person.username, "password": person.password})
        assert answer.status_code == 200, answer.text
        person.access_token = answer.result["access_token"]
        person.refresh_token = answer.result["refresh_token"]
        return answer

    def get(self, path: str, **more: Any) -> Answer:
        return self.send("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.send("POST", path, body, **more)

    def put(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.send("PUT", path, body, **more)

    def patch(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.send("PATCH", path, body, **more)

    def delete(self, path: str, **more: Any) -> Answer:
        return self.send("DELETE", path, **more)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        **more: Any,
    ) -> Answer:
        """Send a request. ``body`` is JSON; ``data`` is bytes as they are, said to be JSON unless headers differ."""
        sent = {**self.headers, **(headers or {})}
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        if data is not None:
            more.update(data=data, content_type=sent.pop("Content-Type", "application/json"))
        elif body is not None:
            more["json"] = body
        client = FlaskClient(self.app, Answer)
        answer = client.open(
            path, method=method, headers=sent, environ_base={"REMOTE_ADDR": self.address}, buffered=True, **more
        )
        return cast("Answer", answer)


@cache
def _hash(password: str) -> str:
    return accounts.hash_new_password(password, hints=())


def a_user(*, roles: tuple[str, ...] = ("user",), password: str = PASSWORD, **named: Any) -> Person:
    """Make an account; a test names only what it is about."""
    number = next(_numbers)
    username = named.pop("username", f"user{number}")
    email = named.pop("email", f"{username}@people.test")
    with db.unit_of_work():
        hashed = _hash(password)
        account = accounts.NewAccount(username, email, hashed, **named)
        made = accounts.create(account, roles=roles, by=OPERATOR)
    return Person(made.id, username, email, password)


def reauthenticate(person: Person) -> None:
    """Let everybody who is signed in as this person have proved once more, just now, that it is them."""
    with db.unit_of_work():
        db.session().execute(update(Session).where(Session.user_id == person.id).values(reauthenticated_at=clock.now()))


def an_admin(**named: Any) -> Person:
    """Make an administrator."""
    return a_user(roles=("admin", "user"), **named)


def some_users(number: int) -> None:
    """Make so many users at once, who hold the role ``user`` and have no password."""
    with db.unit_of_work():
        accounts.seed(number, advance=lambda _: None)


def a_role(*permissions: str, name: str | None = None) -> str:
    """Make a role and return its name."""
    chosen = name or f"role-{next(_numbers)}"
    with db.unit_of_work():
        access.create_role(name=chosen, description="", permissions=permissions, by=OPERATOR)
    return chosen


def a_holder_of(*permissions: str) -> Person:
    """Make somebody who may do exactly this."""
    return a_user(roles=(a_role(*permissions),))
