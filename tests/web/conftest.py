from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from flask import Flask

from app.web.application import Routes
from tests.api import Api
from tests.conftest import Clock
from tests.world import World

Serve = Callable[..., Api]
Layered = Callable[..., Flask]


@pytest.fixture
def serve(world: World) -> Serve:
    """Serve routes of a test's own beside ours: ``serve(routes, setting=…)``."""

    def assemble(routes: Routes, **settings: Any) -> Api:
        app = world.with_settings(**settings)
        app.register_blueprint(routes)
        return Api(app)

    return assemble


@pytest.fixture(scope="session")
def layered(the_world: World) -> Layered:
    """Assemble once for all tests, for fixtures: ``layered(routes, setting=…)``.

    Only for settings that the layers around the app keep: origins, proxies, whether users come over https.
    """

    @cache
    def assemble(*blueprints: Routes, **settings: Any) -> Flask:
        app = the_world.with_settings(**settings)
        for routes in blueprints:
            app.register_blueprint(routes)
        the_world.reset()
        return app

    return assemble


@pytest.fixture
def _mid_window(clock: Clock) -> None:
    """Stop the clock 20 s into a minute and 40 minutes into an hour, so that no window ends by chance."""
    clock.at = clock.at.replace(minute=40, second=20)
