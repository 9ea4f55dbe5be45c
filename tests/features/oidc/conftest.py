import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.features.oidc import stranger as strangers
from tests.features.oidc.browser import Browser
from tests.features.oidc.stranger import CLIENT, SECRET, Stranger
from tests.live import environment, free_port, wait_until_there
from tests.world import World


@pytest.fixture(scope="session")
def real_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An OpenID provider that others wrote, as a process of its own; returns its issuer."""
    folder, port = Path(tmp_path_factory.mktemp("provider")), free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"],
            cwd=folder,
            env=environment(folder),
            stdout=log,
            stderr=log,
        )
    issuer = f"http://127.0.0.1:{port}"
    try:
        wait_until_there(f"{issuer}/.well-known/openid-configuration", process)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def _the_stranger() -> Iterator[Stranger]:
    with strangers.running() as stranger:
        yield stranger


@pytest.fixture(scope="session")
def _another_stranger() -> Iterator[Stranger]:
    with strangers.running() as stranger:
        yield stranger


@pytest.fixture
def stranger(_the_stranger: Stranger) -> Stranger:
    """A provider of our own, behaving until a test says otherwise."""
    _the_stranger.reset()
    return _the_stranger


@pytest.fixture
def another(_another_stranger: Stranger) -> Stranger:
    """A second one."""
    _another_stranger.reset()
    return _another_stranger


@pytest.fixture
def known(stranger: Stranger, another: Stranger) -> list[dict[str, Any]]:
    """The settings of both: as OpenID providers, and the first as plain OAuth 2 too."""
    client = {"client_id": CLIENT, "client_secret": SECRET}
    hub = {f"{name}_url": f"{stranger.url}/{name}" for name in ("authorize", "token", "userinfo", "emails")}
    return [
        {"name": "stranger", "title": "The Stranger", "issuer": stranger.url, **client},
        {"name": "another", "issuer": another.url, **client},
        {"name": "hub", "scopes": "user", **hub, **client},
        {"name": "plain", **{name: url for name, url in hub.items() if name != "emails_url"}, **client},
    ]


@pytest.fixture
def app(world: World, known: list[dict[str, Any]]) -> Flask:
    return world.with_settings(oidc_providers=known)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)
