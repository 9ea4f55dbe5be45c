"""For which host passkeys are, and by what their owner is called there."""

from datetime import UTC, datetime, timedelta

import pytest

from app.features.factors import ceremonies
from tests.api import Api, a_user
from tests.features.auth.passkeys import a_device, creation, login, request
from tests.stepup import stepped_up
from tests.world import World

HOSTS = {
    "a name": ("https://id.example.com", "id.example.com", "https://id.example.com"),
    "a port": ("http://localhost:8000", "localhost", "http://localhost:8000"),
    "the usual port": ("https://id.example.com:443", "id.example.com", "https://id.example.com"),
    "a path": ("https://example.com/accounts", "example.com", "https://example.com"),
    "capitals": ("https://ID.Example.com", "id.example.com", "https://id.example.com"),
    "another script": ("https://bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
}


class TestHost:
    @pytest.mark.parametrize(("public_url", "host", "origin"), HOSTS.values(), ids=HOSTS)
    def test_is_that_of_the_public_url(self, world: World, public_url: str, host: str, origin: str) -> None:
        api = Api(world.with_settings(public_url=public_url))
        grace = a_user()

        device = a_device(api, grace, origin=origin, host=host)

        assert request(api)["rpId"] == creation(stepped_up(api, grace))["rp"]["id"] == host
        assert login(api, device).status_code == 200

    def test_may_be_an_address_although_browsers_refuse_it(self, world: World) -> None:
        api = Api(world.with_settings(public_url="http://[::1]:8000"))

        assert request(api)["rpId"] == "::1"


class TestHandle:
    AT = datetime(2026, 1, 9, 7, tzinfo=UTC)

    def test_is_always_the_same(self) -> None:
        assert ceremonies.handle_of(1, self.AT) == ceremonies.handle_of(1, self.AT)
        assert len(ceremonies.handle_of(1, self.AT)) == 32

    def test_differs_between_users_and_between_installations(self) -> None:
        others = [ceremonies.handle_of(2, self.AT), ceremonies.handle_of(1, self.AT + timedelta(microseconds=1))]

        assert ceremonies.handle_of(1, self.AT) not in others

    def test_survives_a_new_secret_key(self, world: World) -> None:
        grace = a_user()
        device = a_device(Api(world.app), grace)
        before = creation(stepped_up(Api(world.app), grace))["user"]["id"]

        api = Api(world.with_settings(secret_key=("another key of the tests, long enough by far", *_old(world))))

        assert creation(stepped_up(api, grace))["user"]["id"] == before
        assert login(api, device).status_code == 200


def _old(world: World) -> tuple[str, ...]:
    return world.settings.secret_key
