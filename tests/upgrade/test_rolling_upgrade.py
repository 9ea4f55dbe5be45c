"""A column gets another name while people use the service: releases side by side on one database, nobody notices."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.live import ROOT, wait_until
from tests.migrations import gate
from tests.migrations.databases import empty_database
from tests.upgrade import releases
from tests.upgrade.fleet import Fleet
from tests.upgrade.people import using
from tests.upgrade.releases import CONTRACT, EXPAND, LEAVE, SWITCH
from tests.world import SERVICES

N = "N"
DIFFER = "SELECT count(*) FROM users WHERE given_name IS DISTINCT FROM first_name"


class TestLaterReleases:
    def test_still_apply_to_this_one(self, tmp_path: Path) -> None:
        """If not, a line that they change has changed: mend tests/upgrade/releases.py."""
        trees = releases.make(tmp_path)

        assert list(trees) == [release.name for release in releases.LATER]

    @pytest.mark.slow
    def test_pass_the_gate_for_migrations(self, tmp_path: Path) -> None:
        last = releases.make(tmp_path)[CONTRACT.name]

        refused = [line for script in gate.scripts(last / "migrations")[-2:] for line in gate.refusals(script)]

        assert refused == []


def rows(fleet: Fleet, statement: str) -> list[tuple[object, ...]]:
    address = make_url(fleet.settings["DATABASE_URL"]).set(drivername="postgresql")
    with psycopg.connect(address.render_as_string(hide_password=False)) as operator:
        return operator.execute(statement.encode()).fetchall()


def fill(fleet: Fleet) -> None:
    """Fill the new column with the command of N+1, and wait until the jobs are done."""
    fleet.run(EXPAND.name, "fill-given-names")
    undone = "SELECT task, status, attempts, last_error FROM jobs WHERE status <> 'done'"
    wait_until(lambda: not rows(fleet, undone), lambda: str(rows(fleet, undone)))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Make the trees and an empty database; at the end, stop what still runs."""
    with empty_database(tmp_path) as database:
        settings = {
            "DATABASE_URL": database,
            "REDIS_URL": os.environ["TEST_REDIS_URL"],
            "SECRET_KEY": "a key of the tests, thirty-two characters and more",
            "PUBLIC_URL": "http://carboy.test",
            "MIGRATE_ON_START": "1",
            "THREADS": "4",
        }
        made = Fleet(tmp_path, {N: ROOT, **releases.make(tmp_path)}, settings)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.serving
@pytest.mark.slow
@pytest.mark.skipif(not SERVICES, reason="two releases at once need a database that several machines can share")
def test_no_request_fails_and_no_write_is_lost_from_expand_to_contract(fleet: Fleet) -> None:
    oldest = fleet.start(N)
    with using(fleet) as seen:
        fleet.serve()

        first = fleet.start(EXPAND.name)  # which migrates: N works on a database that is ahead of it
        fleet.serve()
        fill(fleet)  # N does not know this job, and leaves it to N+1
        fleet.stop(oldest)
        returned = fleet.start(N)  # as if N+1 were taken back: its schema stays, and N writes rows with one name again
        fleet.serve()
        fleet.stop(returned)
        fill(fleet)
        assert rows(fleet, DIFFER) == [(0,)]

        second = fleet.start(SWITCH.name)
        fleet.serve()
        fleet.stop(first)
        third = fleet.start(LEAVE.name)
        fleet.serve()
        fleet.stop(second)
        fleet.run(CONTRACT.name, "db", "upgrade")
        fleet.serve()
        fleet.start(CONTRACT.name)
        fleet.serve()
        fleet.stop(third)
        fleet.serve()

    assert seen.failures == []
    assert set(rows(fleet, "SELECT username, given_name FROM users")) == set(seen.names.items())
