from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.core.config import Settings
from app.infra import db, metrics, queue
from app.main import factory
from tests.migrations.databases import empty_database
from tests.world import World

SECRET = "8Qm2-vLx5_kTz1wRb7nCq4eYh9sJd3uFg6aPo0iV"

Start = Callable[..., Flask]


@pytest.fixture
def empty_url(world: World, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    with empty_database(tmp_path) as url:
        yield url
        db.engine().dispose()


@pytest.fixture
def background() -> list[str]:
    """How often the work beside requests was begun, which these tests only note."""
    return []


@pytest.fixture
def configure(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: list[str]) -> Start:
    """Start as a WSGI server does: from the environment, which is proper for production but for what is changed."""
    for name in (*Settings.model_fields, "flask_debug"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    world.dirty = world.reassembled = True
    monkeypatch.setattr(queue, "start", lambda: background.append("started"))
    monkeypatch.setattr(metrics, "start", lambda _folder: None)

    def from_environment(**changed: str) -> Flask:
        proper = {
            "ENVIRONMENT": "production",
            "SECRET_KEY": SECRET,
            "PUBLIC_URL": "https://accounts.carboy.test",
            "VAR_DIR": str(tmp_path),
            "MIGRATE_ON_START": "1",
        }
        for name, value in {**proper, **changed}.items():
            monkeypatch.setenv(name, value)
        return factory.wsgi_app()

    return from_environment


@pytest.fixture
def start(configure: Start, empty_url: str) -> Start:
    """Start as above, on a database with nothing in it."""
    return lambda **changed: configure(**{"DATABASE_URL": empty_url, **changed})
