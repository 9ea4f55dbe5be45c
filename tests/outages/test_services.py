"""Every cell of docs/outages.md, with real servers that are stopped, frozen, slowed, cut off and filled."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests import servers
from tests.outages import disk, seeing, table
from tests.outages.harms import HARM, MORE
from tests.outages.house import LETTERS, House, house
from tests.outages.seeing import Seen
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="needs servers to stop, which belong to the services world"),
    pytest.mark.skipif(servers.find_postgres() is None, reason="no PostgreSQL server found"),
    pytest.mark.skipif(servers.find_redis() is None, reason="no Redis server found"),
]

MARGIN_SECONDS = 1.5
"""For a machine that does more than this."""

MOST_LINES = 8
"""How often two workers may say the same during one outage."""

DISKS = [name for name in HARM if name.startswith("disk")]

ALL = os.environ.get("CARBOY_TEST_OUTAGES") == "all"

OFTEN = table.cells("With PostgreSQL, Redis and Celery", LETTERS)
SELDOM = table.cells("Two at once, and RabbitMQ", LETTERS)
CELLS = OFTEN | SELDOM
ASKED = [name for name in table.COLUMNS if name not in {"`/health`", "well again"}]

Observed = Callable[[str], Seen]

by_outage = pytest.mark.parametrize(
    "outage",
    [
        pytest.param(name, marks=pytest.mark.skipif(not disk.can_mount(), reason="only root can mount a disk to fill"))
        if name in DISKS
        else name
        for name in [*HARM, *(MORE if ALL else [])]
    ],
)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """Return what an outage looked like; each is seen once, whoever asks first."""
    with ExitStack() as stack:

        @cache
        def house_with(broker: str) -> House:
            data = var = Path(tmp_path_factory.mktemp("outages"))
            if disk.can_mount():
                data, var = (stack.enter_context(disk.disk(megabytes)) for megabytes in (400, 200))
            start = servers.rabbitmq if broker == "RabbitMQ" else servers.redis
            return stack.enter_context(house(var, data=data, broker_of=start))

        @cache
        def see(name: str) -> Seen:
            it, harm = house_with("RabbitMQ" if name.startswith("RabbitMQ") else "Redis"), (HARM | MORE)[name]
            return seeing.observe(it, harm.harm, harm.mend, seconds=harm.seconds)

        yield see


def test_the_tables_have_a_row_for_each_outage() -> None:
    assert list(OFTEN) == list(HARM)
    assert list(SELDOM) == list(MORE)


@by_outage
class TestOutage:
    @pytest.mark.parametrize("column", ASKED)
    def test_is_answered_as_the_table_says(self, observed: Observed, outage: str, column: str) -> None:
        cell, seen = CELLS[outage][column], observed(outage)

        assert seen.said(column) <= cell.allows
        assert cell.seconds is None or seen.worst(column) < cell.seconds + MARGIN_SECONDS

    def test_leaves_health_alone(self, observed: Observed, outage: str) -> None:
        cell, seen = CELLS[outage]["`/health`"], observed(outage)

        assert cell.seconds is not None
        assert seen.health < max(cell.seconds, 3 * seen.usual_health), (seen.usual_health, seen.health)

    def test_ends_without_a_restart(self, observed: Observed, outage: str) -> None:
        cell, seen = CELLS[outage]["well again"], observed(outage)

        assert cell.seconds is not None
        assert seen.recovery < cell.seconds + MARGIN_SECONDS

    def test_loses_nothing(self, observed: Observed, outage: str) -> None:
        assert observed(outage).lost == {}

    def test_fails_nobody_in_another_way(self, observed: Observed, outage: str) -> None:
        assert set(observed(outage).under_load) <= {200, 503}

    def test_does_not_flood_the_log(self, observed: Observed, outage: str) -> None:
        lines = observed(outage).lines

        assert {said: times for said, times in lines.items() if times > MOST_LINES} == {}
        assert [said for said in lines if said.startswith(("ERROR", "CRITICAL"))] == []
