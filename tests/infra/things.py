"""A table of the tests' own, with a column of each type, and an eye on the connections that are opened."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import JSON, LargeBinary, MetaData, String, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import QueuePool

from app.core.ids import UUID
from app.infra import db
from app.infra.columns import Model


class Base(DeclarativeBase):
    metadata = MetaData()
    type_annotation_map = Model.type_annotation_map


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    number: Mapped[int] = mapped_column(default=0)
    ref: Mapped[UUID | None]
    at: Mapped[datetime | None]
    data: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    is_new: Mapped[bool | None]
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)


def stored() -> list[str]:
    """Return the names in the table, as another connection sees them."""
    with db.engine().connect() as connection:
        return list(connection.scalars(select(Thing.name).order_by(Thing.id)))


def store(*names: str) -> None:
    """Put rows into the table."""
    with db.unit_of_work():
        db.session().add_all(Thing(name=name) for name in names)


@contextmanager
def counted_connections() -> Iterator[list[object]]:
    """Collect the connections that are taken out of the pool."""
    taken: list[object] = []

    def note(connection: object, *_: object) -> None:
        taken.append(connection)

    event.listen(db.engine(), "checkout", note)
    try:
        yield taken
    finally:
        event.remove(db.engine(), "checkout", note)


def pool() -> QueuePool:
    """Return the pool of this world's database."""
    found = db.engine().pool
    assert isinstance(found, QueuePool)
    return found


def checked_out() -> int:
    """Return how many connections are in use."""
    return pool().checkedout()


@contextmanager
def exhausted_pool() -> Iterator[None]:
    """Hold every connection of the pool."""
    with ExitStack() as held:
        for _ in range(pool().size()):
            held.enter_context(db.engine().connect())
        yield


@contextmanager
def unit_ending_in(error: type[BaseException], *, writes: bool = True) -> Iterator[None]:
    """Open a unit of work around what must end in this error."""
    with pytest.raises(error), db.unit_of_work(writes=writes):
        yield
