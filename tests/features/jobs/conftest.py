from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.features.jobs import service as jobs
from app.features.jobs.models import Job
from app.features.jobs.service import Declared
from app.infra import db
from app.main import features
from tests.world import World

Declare = Callable[..., None]


@pytest.fixture
def declare(world: World) -> Iterator[Declare]:
    """Declare a job called ``made.up`` in the place of ours."""

    def put(run: Callable[..., object], *, attempts: int = 3, limit: float = 60) -> None:
        waits = {"first_wait": timedelta(seconds=10), "longest_wait": timedelta(seconds=30)}
        jobs.register([Declared("made.up", run, attempts=attempts, limit=timedelta(seconds=limit), **waits)])

    yield put
    jobs.register(features.JOBS)


def enqueue(**arguments: object) -> str:
    """Ask for the job in a unit of its own; return its id."""
    with db.unit_of_work():
        return str(jobs.enqueue("made.up", arguments))


def rows() -> list[Job]:
    """Return the jobs in the order in which they were asked for."""
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(Job).order_by(Job.id)))


def the_row() -> Job:
    (row,) = rows()
    return row
