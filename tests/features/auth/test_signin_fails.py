"""Signing in while the database fails: a right password that could not be served is no wrong guess."""

import pytest

from app.core.errors import Unavailable
from app.features.auth import sessions
from app.infra import watch
from tests.api import Api, a_user

LIMIT = 5


def _fail(**_: object) -> None:
    raise Unavailable


def test_does_not_shut_its_owner_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    grace = a_user()
    given = {"username": grace.username, "password": grace.password}
    with monkeypatch.context() as failing:
        failing.setattr(sessions, "start", _fail)
        during = {api.post("/auth/login", given).status_code for _ in range(LIMIT)}
    watch.look()

    after = api.post("/auth/login", given).status_code

    assert (during, after) == ({503}, 200)


def test_counts_a_wrong_password_all_the_same(api: Api) -> None:
    grace = a_user()
    answers = [
        api.post("/auth/login", {"username": grace.username, "password": "wrong"}).status_code for _ in range(LIMIT)
    ]
    watch.look()

    assert api.post("/auth/login", {"username": grace.username, "password": grace.password}).status_code == 429
    assert set(answers) == {401}
