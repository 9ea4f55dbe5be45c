from collections.abc import Iterator
from contextlib import contextmanager

from app.core import origin
from app.core.origin import Origin
from app.features.auth import sessions
from app.infra import db
from app.main import features
from tests.api import Api, a_user
from tests.conftest import Clock
from tests.features.auth.looks import audited, buckets


@contextmanager
def origin_at(address: str) -> Iterator[None]:
    token = origin.begin(Origin("a-request", ip=address))
    try:
        yield
    finally:
        origin.end(token)


class TestOldCounters:
    def test_are_dropped_at_the_start(self, api: Api, clock: Clock) -> None:
        api.post("/auth/login", {"username": "nobody-here", "password": "wrong"})
        assert buckets()
        clock.advance(days=1)

        with db.unit_of_work():
            features.bootstrap()

        assert not buckets()


class TestLock:
    def test_is_audited_once(self, api: Api) -> None:
        for _ in range(8):
            api.post("/auth/login", {"username": "nobody-here", "password": "wrong"})

        (event,) = audited("authn_login_lock")

        assert (event.outcome, event.ip) == ("failure", "127.0.0.1")
        assert event.detail == {"counter": "pair", "limit": 5}


class TestKnownAddress:
    def test_is_the_network_of_an_ipv6_client(self, api: Api) -> None:
        grace = a_user()
        api.at("2001:db8::1").sign_in(grace)

        with origin_at("2001:db8::2"):
            assert sessions.used_lately_from_here(grace.id)
        with origin_at("2001:db8:0:1::2"):
            assert not sessions.used_lately_from_here(grace.id)
