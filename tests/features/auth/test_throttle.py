import re

import pytest

from tests.api import Answer, Api, Person, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import buckets, live_sessions_of
from tests.features.auth.together import at_once
from tests.world import PASSWORD, World


def guess(api: Api, who: Person | str, password: str = "wrong") -> Answer:
    name = who if isinstance(who, str) else who.username
    return api.post("/auth/login", {"username": name, "password": password})


def guesses(api: Api, who: Person | str, count: int) -> list[int]:
    return [guess(api, who).status_code for _ in range(count)]


class TestParallelGuesses:
    @pytest.mark.parametrize("username", ["grace", "nobody-here"], ids=["known", "unknown"])
    def test_of_forty_exactly_five_are_checked(self, api: Api, hashings: list[str], username: str) -> None:
        a_user(username="grace")

        answers = at_once(40, lambda _: guess(api, username))

        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 35
        assert {answer.code for answer in answers if answer.status_code == 429} == {"TOO_MANY_ATTEMPTS"}
        assert len(hashings) == 5

    def test_of_forty_with_the_right_one_among_them_at_most_five_are_checked(self, api: Api) -> None:
        grace = a_user()
        passwords = ["wrong"] * 39 + [PASSWORD]

        answers = at_once(40, lambda number: guess(api, grace, passwords[number]))

        # A right one clears the counter, so five more may follow it.
        assert sum(answer.status_code == 401 for answer in answers) <= 10
        assert sum(answer.status_code == 429 for answer in answers) >= 29


class TestPair:
    @pytest.mark.parametrize("username", ["grace", "nobody-here"], ids=["known", "unknown"])
    def test_refuses_the_sixth_guess_also_if_it_is_right(self, api: Api, clock: Clock, username: str) -> None:
        grace = a_user(username="grace")
        assert guesses(api, username, 5) == [401] * 5

        answer = guess(api, username, PASSWORD)

        assert (answer.status_code, answer.code) == (429, "TOO_MANY_ATTEMPTS")
        assert answer.headers["Retry-After"] == "900"
        assert live_sessions_of(grace) == []

    def test_says_the_same_of_known_and_unknown(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        guesses(api, grace, 5)
        guesses(api, "nobody-here", 5)

        known, unknown = guess(api, grace), guess(api, "nobody-here")

        assert known.json["error"] == unknown.json["error"]
        assert known.headers["Retry-After"] == unknown.headers["Retry-After"]

    def test_opens_again_when_its_window_is_over(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        guesses(api, grace, 5)
        clock.advance(minutes=14, seconds=59)
        still = guess(api, grace, PASSWORD)

        clock.advance(seconds=1)

        assert (still.status_code, still.headers["Retry-After"]) == (429, "1")
        assert guess(api, grace, PASSWORD).status_code == 200

    def test_is_not_prolonged_by_guesses_that_were_refused(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        guesses(api, grace, 5)
        clock.advance(minutes=10)
        assert guesses(api, grace, 3) == [429] * 3

        clock.advance(minutes=5)

        assert guess(api, grace, PASSWORD).status_code == 200

    def test_is_cleared_by_success(self, api: Api) -> None:
        grace = a_user()
        guesses(api, grace, 4)

        assert guess(api, grace, PASSWORD).status_code == 200

        assert guesses(api, grace, 6) == [401] * 5 + [429]

    def test_leaves_other_accounts_alone(self, api: Api) -> None:
        grace, bob = a_user(), a_user()
        guesses(api, grace, 6)

        assert guess(api, bob, PASSWORD).status_code == 200

    def test_leaves_other_addresses_alone(self, api: Api) -> None:
        grace = a_user()
        guesses(api, grace, 6)

        assert guess(api.at("192.0.2.7"), grace, PASSWORD).status_code == 200

    def test_is_one_for_all_names_of_an_account(self, api: Api) -> None:
        grace = a_user(username="grace", email="grace@navy.test")
        by_address = {"email": "GRACE@navy.test", "password": "wrong"}

        statuses = [guess(api, name).status_code for name in ("grace", "GRACE", "Grace")]
        statuses += [api.post("/auth/login", by_address).status_code for _ in range(2)]

        assert statuses == [401] * 5
        assert guess(api, grace, PASSWORD).status_code == 429
        assert api.post("/auth/login", by_address).status_code == 429

    def test_is_one_for_all_spellings_of_an_unknown_name(self, api: Api) -> None:
        statuses = [guess(api, name).status_code for name in ("nobody", "NOBODY", "Nobody", " nobody", "nobodY ")]

        assert statuses == [401] * 5
        assert guess(api, "nobody").status_code == 429

    def test_does_not_count_what_is_not_valid(self, api: Api) -> None:
        grace = a_user()
        for _ in range(6):
            assert guess(api, grace, "").status_code == 422

        assert guess(api, grace, PASSWORD).status_code == 200


class TestAddress:
    def test_makes_fifty_guesses_at_whatever_accounts(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        assert [guess(api, f"nobody{number}").status_code for number in range(50)] == [401] * 50

        answer = guess(api, grace, PASSWORD)

        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "900")
        assert guess(api.at("192.0.2.7"), grace, PASSWORD).status_code == 200
        clock.advance(minutes=15)
        assert guess(api, grace, PASSWORD).status_code == 200

    def test_counts_no_guess_that_another_counter_refused(self, api: Api, clock: Clock) -> None:
        besieged = a_user()
        assert guesses(api, besieged, 60) == [401] * 5 + [429] * 55

        answers = [guess(api, f"nobody-{number}").status_code for number in range(46)]

        assert answers == [401] * 45 + [429]

    def test_gets_back_only_the_one_of_its_own_success(self, api: Api) -> None:
        mallory = a_user()
        for number in range(49):
            guess(api, f"nobody{number}")

        assert guess(api, mallory, PASSWORD).status_code == 200

        assert guess(api, "nobody-50").status_code == 401
        assert guess(api, "nobody-51").status_code == 429

    def test_is_a_network_of_64_bits_in_ipv6(self, api: Api) -> None:
        grace = a_user()
        for number in range(5):
            assert guess(api.at(f"2001:db8:1:2:{number}::7"), grace).status_code == 401

        neighbour = guess(api.at("2001:db8:1:2:ffff:ffff:ffff:ffff"), grace, PASSWORD)
        stranger = guess(api.at("2001:db8:1:3::7"), grace, PASSWORD)

        assert neighbour.status_code == 429
        assert stranger.status_code == 200

    def test_is_the_same_when_ipv4_comes_as_ipv6(self, api: Api) -> None:
        grace = a_user()
        guesses(api.at("192.0.2.7"), grace, 5)

        assert guess(api.at("::ffff:192.0.2.7"), grace, PASSWORD).status_code == 429

    def test_cannot_be_made_up(self, api: Api) -> None:
        grace = a_user()

        statuses = [
            api.post(
                "/auth/login",
                {"username": grace.username, "password": "wrong"},
                headers={"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"},
            ).status_code
            for number in range(6)
        ]

        assert statuses == [401] * 5 + [429]

    def test_is_the_one_that_a_trusted_proxy_names(self, world: World) -> None:
        grace, api = a_user(), Api(world.with_settings(trusted_proxies="127.0.0.0/8"))
        first, second = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}
        body = {"username": grace.username, "password": "wrong"}
        for _ in range(5):
            api.post("/auth/login", body, headers=first)

        assert api.post("/auth/login", body, headers=first).status_code == 429
        assert api.post("/auth/login", body, headers=second).status_code == 401


class TestAccount:
    @pytest.fixture
    def besieged(self, api: Api) -> Person:
        """Somebody at whom a hundred addresses guessed once, and who signed in from one other before."""
        grace = a_user()
        guess(api.at("198.51.100.1"), grace, PASSWORD)
        for number in range(100):
            assert guess(api.at(f"203.0.113.{number}"), grace).status_code == 401
        return grace

    def test_refuses_the_next_unknown_address_for_a_day(self, api: Api, clock: Clock, besieged: Person) -> None:
        answer = guess(api.at("192.0.2.7"), besieged, PASSWORD)

        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "86400")
        assert guess(api.at("192.0.2.7"), a_user(), PASSWORD).status_code == 200
        clock.advance(days=1)
        assert guess(api.at("192.0.2.7"), besieged, PASSWORD).status_code == 200

    def test_spares_addresses_that_signed_in_before(self, api: Api, besieged: Person) -> None:
        assert guess(api.at("198.51.100.1"), besieged).status_code == 401
        assert guess(api.at("198.51.100.1"), besieged, PASSWORD).status_code == 200
        assert guess(api.at("192.0.2.7"), besieged, PASSWORD).status_code == 429

    def test_is_cleared_by_success_from_an_unknown_address(self, api: Api) -> None:
        grace = a_user()
        for number in range(99):
            guess(api.at(f"203.0.113.{number}"), grace)

        assert guess(api.at("192.0.2.7"), grace, PASSWORD).status_code == 200

        assert guess(api.at("192.0.2.8"), grace).status_code == 401
        assert guess(api.at("192.0.2.9"), grace).status_code == 401

    def test_forgets_an_address_after_thirty_days(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        guess(api.at("198.51.100.1"), grace, PASSWORD)
        clock.advance(days=29)
        guess(api.at("198.51.100.1"), grace)
        of_the_known = set(buckets())
        clock.advance(days=2)

        guess(api.at("198.51.100.1"), grace)

        assert not any(name.startswith("account:") for name in of_the_known)
        assert any(name.startswith("account:") for name in buckets())


class TestBuckets:
    def test_tell_nobodys_name_or_address(self, api: Api) -> None:
        guess(api.at("192.0.2.7"), a_user(username="grace"))
        guess(api.at("192.0.2.7"), "someone@navy.test")

        names = buckets()

        assert len(names) == 5
        assert all(re.fullmatch(r"(address|pair|account):[0-9a-f]{64}", name) for name in names)

    def test_cannot_be_computed_without_the_secret(self, world: World) -> None:
        guess(Api(world.app), "nobody")
        before = set(buckets())

        guess(Api(world.with_settings(secret_key="another key, thirty-two characters and more")), "nobody")

        assert len(set(buckets()) - before) == len(before)

    def test_outlast_the_process(self, world: World) -> None:
        grace = a_user()
        guesses(Api(world.app), grace, 5)

        api = Api(world.with_settings())

        assert guess(api, grace, PASSWORD).status_code == 429

    @pytest.mark.parametrize("scale", [0, 0.1, 100])
    def test_are_never_scaled(self, world: World, scale: float) -> None:
        api = Api(world.with_settings(ratelimit_scale=scale, ratelimit_login="1000/minute"))

        assert guesses(api, a_user(), 6) == [401] * 5 + [429]

    def test_count_while_redis_is_away(self, world: World) -> None:
        api = Api(world.with_settings(redis_url="redis://127.0.0.1:1/0", ratelimit_scale=100))
        grace, bob = a_user(), a_user()

        assert guess(api, bob, PASSWORD).status_code == 200
        assert guesses(api, grace, 6) == [401] * 5 + [429]


class TestChangingPassword:
    def test_shares_the_counter_of_sign_in(self, api: Api) -> None:
        grace, admin = a_user(), an_admin()
        hers = api.as_(grace)
        wrong = {"current_password": "wrong", "new_password": "Another-Horse-8-Staple"}

        statuses = [hers.post("/auth/password/change", wrong).status_code for _ in range(6)]

        assert statuses == [403] * 5 + [429]
        assert guess(api, grace, PASSWORD).status_code == 429
        assert guess(api, admin, PASSWORD).status_code == 200
