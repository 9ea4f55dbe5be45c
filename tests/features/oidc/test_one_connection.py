"""Signing in elsewhere needs one connection at a time, and none while the provider is asked."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.infra import db
from tests.api import a_user
from tests.features.oidc.browser import Browser
from tests.features.oidc.stranger import Answer, Stranger
from tests.world import World


@pytest.fixture
def browser(world: World, known: list[dict[str, Any]]) -> Iterator[Browser]:
    """A browser at a service with one free connection, and that has not read its keys yet."""
    app = world.with_settings(oidc_providers=known, database_pool_size=2, database_pool_seconds=2)
    with db.engine().connect():  # a pool has two at least; this one is somebody else's
        yield Browser(app)


class TestOneConnection:
    def test_is_enough_for_a_newcomer(self, browser: Browser) -> None:
        assert browser.tokens("stranger")["user"]["username"] == "ada"

    def test_is_enough_to_link_by_address(self, browser: Browser) -> None:
        person = a_user(email="ada@people.test", email_verified=True)

        assert browser.tokens("stranger")["user"]["id"] == person.id

    def test_is_enough_to_be_refused(self, browser: Browser, stranger: Stranger) -> None:
        stranger.without = ("nonce",)

        assert browser.sign_in("stranger").status_code == 401

    def test_is_not_held_while_the_provider_is_asked(self, browser: Browser, stranger: Stranger) -> None:
        held: list[int] = []

        def note() -> Answer:
            held.append(db.engine().pool.checkedout())  # type: ignore[attr-defined] # a QueuePool has it
            return 200, {"keys": stranger.keys}, {}

        stranger.answers["/keys"] = note
        assert browser.sign_in("stranger").status_code == 303
        assert held == [1]
