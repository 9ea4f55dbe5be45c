"""Nobody learns from a refused sign-in whether there is such an account: not by its answer, work or time."""

import time
from collections.abc import Callable, Iterable
from statistics import median

import pytest

from app.core.caller import OPERATOR
from app.features.accounts import service as accounts
from app.infra import db
from tests.api import Answer, Api, Person, a_user
from tests.features.auth.looks import live_sessions_of, set_user
from tests.features.auth.together import at_once
from tests.world import PASSWORD, World, counted_statements

CHANGES_EACH_TIME = {"X-Request-ID"}
ROUNDS = 30
REALISTIC = {"password_hash_memory_kib": 19_456, "password_hash_time_cost": 2}


def somebody() -> str:
    return a_user().username


def somebody_disabled() -> str:
    return a_user(is_active=False).username


def somebody_without_password() -> str:
    person = a_user()
    set_user(person, password_hash=None)
    return person.username


def somebody_deleted() -> str:
    person = a_user()
    with db.unit_of_work():
        accounts.delete(user_id=person.id, guard=lambda _version: None, by=OPERATOR)
    return person.username


KINDS = [somebody, somebody_disabled, somebody_without_password, somebody_deleted]


def guess(api: Api, name: str) -> Answer:
    return api.post("/auth/login", {"username": name, "password": "Wrong-Horse-7-Battery"})


class TestAnswer:
    @pytest.mark.parametrize("make", KINDS)
    def test_is_that_of_a_stranger(self, api: Api, make: Callable[[], str]) -> None:
        known, unknown = guess(api, make()), guess(api, "nobody-here")

        assert (known.status_code, known.json["error"]) == (unknown.status_code, unknown.json["error"])
        assert told(known) == told(unknown)
        assert len(known.data) == len(unknown.data)

    @pytest.mark.parametrize("make", KINDS)
    def test_takes_the_statements_and_hashings_of_a_stranger(
        self, api: Api, hashings: list[str], make: Callable[[], str]
    ) -> None:
        name = make()
        guess(api, "nobody-there")  # the hash that strangers are compared with is made once
        hashings.clear()

        with counted_statements() as for_known:
            guess(api, name)
        with counted_statements() as for_unknown:
            guess(api, "nobody-here")

        assert for_known == for_unknown
        assert len(hashings) == 2


def told(answer: Answer) -> list[tuple[str, str]]:
    return sorted(header for header in answer.headers if header[0] not in CHANGES_EACH_TIME)


class TestTime:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("clock", "share"),
        [
            pytest.param(time.perf_counter, 0.5, id="as a stranger sees it"),
            pytest.param(time.thread_time, 0.25, id="of the processor, whatever else it does"),
        ],
    )
    def test_of_known_and_unknown_differs_by_less_than_a_part_of_a_hashing(
        self, world: World, clock: Callable[[], float], share: float
    ) -> None:
        api = Api(world.with_settings(**REALISTIC))
        person = a_user(password="Realistic-Horse-7-Hash")
        hashing = median(taken(clock, range(5), lambda _: accounts.hash_new_password(PASSWORD, hints=())))
        guess(api, "nobody-there")

        times: dict[str, list[float]] = {person.username: [], "nobody-here": []}
        for number in range(ROUNDS):
            stranger = api.at(f"198.51.100.{number}")  # each from elsewhere: five from one address are all that is let
            for name, measured in times.items():
                measured.extend(taken(clock, [name], lambda name, api=stranger: refused(api, name)))

        known, unknown = (median(measured) for measured in times.values())
        assert abs(known - unknown) < share * hashing, (known, unknown, hashing)


def refused(api: Api, name: str) -> None:
    assert guess(api, name).status_code == 401


def taken(clock: Callable[[], float], each: Iterable[object], call: Callable[..., object]) -> list[float]:
    times = []
    for one in each:
        started = clock()
        call(one)
        times.append(clock() - started)
    return times


class TestSpoofedAddress:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X-Forwarded-For", "192.0.2.{}"),
            ("X-Forwarded-For", "127.0.0.1, 192.0.2.{}"),
            ("X-Forwarded-For", "2001:db8:{}::1"),
            ("X-Forwarded-For", "::ffff:192.0.2.{}"),
            ("Forwarded", "for=192.0.2.{};proto=https"),
            ("X-Real-IP", "192.0.2.{}"),
            ("X-Client-IP", "192.0.2.{}"),
            ("Client-IP", "192.0.2.{}"),
            ("True-Client-IP", "192.0.2.{}"),
            ("CF-Connecting-IP", "192.0.2.{}"),
            ("X-Cluster-Client-IP", "192.0.2.{}"),
            ("X-Original-Forwarded-For", "192.0.2.{}"),
            ("Via", "1.1 192.0.2.{}"),
        ],
    )
    def test_gives_no_further_guess(self, api: Api, name: str, value: str) -> None:
        username = somebody()
        body = {"username": username, "password": "Wrong-Horse-7-Battery"}

        statuses = [
            api.post("/auth/login", body, headers={name: value.format(number)}).status_code for number in range(6)
        ]

        assert statuses == [401] * 5 + [429]

    def test_is_not_believed_of_whoever_stands_before_a_trusted_proxy(self, world: World) -> None:
        api, username = Api(world.with_settings(trusted_proxies="10.0.0.0/8")).at("10.0.0.1"), somebody()
        body = {"username": username, "password": "Wrong-Horse-7-Battery"}

        # The proxy appends who it heard from; whatever stands left of that, its client made up.
        statuses = [
            api.post("/auth/login", body, headers={"X-Forwarded-For": f"192.0.2.{number}, 203.0.113.9"}).status_code
            for number in range(6)
        ]

        assert statuses == [401] * 5 + [429]


class TestParallelRegistrations:
    def test_of_forty_exactly_thirty_are_hashed(self, world: World, hashed: list[str]) -> None:
        api = Api(world.with_settings(ratelimit_scale=1))

        answers = at_once(40, lambda number: api.post("/auth/register", registration(number)))

        assert sorted(answer.status_code for answer in answers) == [201] * 30 + [429] * 10
        assert len(hashed) == 30

    @pytest.fixture
    def hashed(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        seen: list[str] = []
        hash_new = accounts.hash_new_password

        def noted(password: str, **more: object) -> str:
            seen.append(password)
            return hash_new(password, **more)  # type: ignore[arg-type] # passed on as they came

        monkeypatch.setattr(accounts, "hash_new_password", noted)
        return seen


def registration(number: int) -> dict[str, str]:
    return {"username": f"grace{number}", "email": f"grace{number}@navy.test", "password": f"Parallel-Horse-{number}-x"}


LOOK_ALIKES = [
    pytest.param("m\u0131ke", id="dotless i"),
    pytest.param("\uff4dike", id="full width"),
    pytest.param("mike\u0301", id="combining accent"),
    pytest.param("mi\u200bke", id="zero width space"),
    pytest.param("mike\u00ad", id="soft hyphen"),
    pytest.param("m\u0456ke", id="Cyrillic i"),
    pytest.param("\u202emike", id="right to left"),
    pytest.param("m\u2170ke", id="Roman numeral"),
]


class TestLookAlike:
    @pytest.mark.parametrize("name", LOOK_ALIKES)
    def test_signs_nobody_in(self, api: Api, name: str) -> None:
        mike = a_user(username="mike", email="mike@navy.test")
        ways = [{"username": name}, {"email": f"{name}@navy.test"}, {"email": f"mike@{name}.test"}]

        answers = [api.post("/auth/login", {**way, "password": PASSWORD}) for way in ways]

        assert [answer.code for answer in answers] == ["INVALID_CREDENTIALS"] * 3
        assert live_sessions_of(mike) == []

    @pytest.mark.parametrize("name", LOOK_ALIKES)
    def test_registers_nobody(self, api: Api, name: str) -> None:
        body = {"username": "michael", "email": "michael@navy.test", "password": "SecurePass123!"}

        answers = [
            api.post("/auth/register", {**body, "username": name}),
            api.post("/auth/register", {**body, "email": f"{name}@navy.test"}),
        ]

        assert [answer.status_code for answer in answers] == [422, 422]

    def test_of_an_accent_is_one_name_in_every_normal_form(self, api: Api) -> None:
        angstrom: Person = a_user(email="mike@\u00e5ngstrom.test")  # one sign, or a and a ring: the same domain
        spelled = {"email": "mike@a\u030angstrom.test", "password": PASSWORD}

        assert api.post("/auth/login", spelled).status_code == 200
        assert len(live_sessions_of(angstrom)) == 1
