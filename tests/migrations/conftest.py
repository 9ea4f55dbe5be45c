from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.infra import db
from tests.migrations.databases import empty_database
from tests.world import World


@pytest.fixture
def empty(world: World, tmp_path: Path) -> Iterator[Flask]:
    """The application on a database of its own with nothing in it."""
    with empty_database(tmp_path) as url:
        yield world.with_settings(database_url=url)
        db.engine().dispose()
