"""How long an answer takes tells nobody who has an account. Medians of thirty each, in turns."""

import time
from collections.abc import Callable
from statistics import median

import pytest

from tests.api import Answer, Api, Person, a_user
from tests.world import PASSWORD, World, counted_statements

MANY = 30
WITHIN = 1.3
ROUNDS = 3
"""A busy machine can spoil one round, not all; without the equal work a registration takes 1.6 times as long."""

Ask = Callable[[Api, str, str], Answer]
Name = Callable[[int, Person], tuple[str, str]]


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


def of_taken(number: int, person: Person) -> tuple[str, str]:
    return f"other{number}", person.email


def of_named(number: int, person: Person) -> tuple[str, str]:
    return person.username, f"other{number}@people.test"


CASES = [
    pytest.param(ask, known, id=f"{ask.__name__} {known.__name__}")
    for ask, known in ((forgot, of_taken), (resend, of_taken), (register, of_taken), (register, of_named))
]


@pytest.fixture
def strict(world: World) -> Api:
    api = Api(world.with_settings(email_verification="mandatory"))
    register(api, "warm", "warm@people.test")
    return api


def ratio(ask: Ask, known: Name, api: Api) -> float:
    """Return how much longer the median answer takes about somebody than about nobody; asked in turns."""
    people = [a_user() for _ in range(MANY)]
    times = [
        (
            took(ask, api, *known(person.id, person)),
            took(ask, api, f"new{person.id}", f"new{person.id}@people.test"),
        )
        for person in people
    ]
    of_somebody, of_nobody = (median(column) for column in zip(*times, strict=True))
    return float(of_somebody / of_nobody)


@pytest.mark.slow
@pytest.mark.parametrize(("ask", "known"), CASES)
def test_are_the_same_for_somebody_and_for_nobody(strict: Api, ask: Ask, known: Name) -> None:
    ratios = (ratio(ask, known, strict) for _ in range(ROUNDS))

    assert any(1 / WITHIN < found < WITHIN for found in ratios)


@pytest.mark.parametrize(("ask", "known"), CASES)
def test_come_from_the_same_statements(strict: Api, ask: Ask, known: Name) -> None:
    person = a_user()

    with counted_statements() as of_somebody:
        ask(strict, *known(person.id, person))
    with counted_statements() as of_nobody:
        ask(strict, "newcomer", "newcomer@people.test")

    assert _told_apart(of_somebody) == _told_apart(of_nobody)


def _told_apart(statements: list[str]) -> list[str]:
    """Leave away how a savepoint ends: undone, or kept."""
    return sorted(said for said in statements if not said.startswith(("RELEASE", "ROLLBACK TO")))
