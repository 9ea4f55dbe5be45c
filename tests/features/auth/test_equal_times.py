"""How long an answer takes tells nobody who has an account. Medians of thirty each, in turns."""

import time
from collections.abc import Callable
from statistics import median

import pytest

from tests.api import Answer, Api, a_user
from tests.world import PASSWORD, World

MANY = 30
WITHIN = 1.35
"""Generous, because the machine is busy; without the equal work the fastest is less than half the slowest."""

Ask = Callable[[Api, str, str], Answer]


def forgot(api: Api, _username: str, email: str) -> Answer:
    return api.post("/auth/password/forgot", {"email": email})


def resend(api: Api, _username: str, email: str) -> Answer:
    return api.post("/auth/email/resend", {"email": email})


def register(api: Api, username: str, email: str) -> Answer:
    return api.post("/auth/register", {"username": username, "email": email, "password": PASSWORD})


def took(ask: Ask, api: Api, username: str, email: str) -> float:
    began = time.perf_counter()
    answer = ask(api, username, email)
    seconds = time.perf_counter() - began
    assert answer.status_code == 202
    return seconds


@pytest.mark.slow
@pytest.mark.parametrize("ask", [forgot, resend, register], ids=lambda ask: ask.__name__)
def test_of_a_known_address_and_of_an_unknown_one_are_the_same(world: World, ask: Ask) -> None:
    api = Api(world.with_settings(email_verification="mandatory"))
    known = [a_user() for _ in range(MANY)]
    register(api, "warm", "warm@people.test")

    times = [
        (
            took(ask, api, f"other{number}", known[number].email),
            took(ask, api, f"new{number}", f"new{number}@people.test"),
        )
        for number in range(MANY)
    ]

    of_known, of_unknown = (median(column) for column in zip(*times, strict=True))
    assert 1 / WITHIN < of_known / of_unknown < WITHIN


@pytest.mark.slow
def test_of_a_taken_user_name_and_of_a_free_one_are_the_same(world: World) -> None:
    api = Api(world.with_settings(email_verification="mandatory"))
    known = [a_user() for _ in range(MANY)]
    register(api, "warm", "warm@people.test")

    times = [
        (
            took(register, api, known[number].username, f"other{number}@people.test"),
            took(register, api, f"new{number}", f"new{number}@people.test"),
        )
        for number in range(MANY)
    ]

    taken, free = (median(column) for column in zip(*times, strict=True))
    assert 1 / WITHIN < taken / free < WITHIN
