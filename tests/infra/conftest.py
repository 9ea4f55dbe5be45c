from collections.abc import Iterator

import pytest

from app.infra import db
from tests.infra.things import Base
from tests.world import World


@pytest.fixture
def things(world: World) -> Iterator[None]:
    """The empty table of ``tests.infra.things`` in the database of this world."""
    world.dirty = True
    Base.metadata.create_all(db.engine())
    yield
    Base.metadata.drop_all(db.engine())
