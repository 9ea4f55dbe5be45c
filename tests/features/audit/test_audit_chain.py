"""The trail is append-only, and what is edited, missing, inserted or cut off all the same is found."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import pytest
from click.testing import Result
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.features.audit import service as audit
from app.infra import db
from tests.api import Api, a_role, a_user, an_admin
from tests.features.between import coming_between
from tests.world import SERVICES, World

OTHERS = "event, outcome, actor_type, actor_id, target_type, target_id, ip, user_agent, request_id, detail, hash"
INSERTION = f"""
    INSERT INTO audit_events (seq, id, at, {OTHERS})
    SELECT (SELECT {{seq}} FROM audit_events), (SELECT id FROM sessions LIMIT 1), at, {OTHERS}
    FROM audit_events WHERE seq = 3
"""  # noqa: S608 -- columns of this file


@contextmanager
def without_triggers() -> Iterator[Connection]:
    """Give a connection whose changes nothing refuses, as somebody has who owns the database."""
    statements = {
        True: ["SET LOCAL session_replication_role = replica"],
        False: [f"DROP TRIGGER IF EXISTS audit_events_no_{act}" for act in ("update", "delete")],
    }
    with db.engine().begin() as connection:
        for statement in statements[SERVICES]:
            connection.execute(text(statement))
        yield connection


def tamper(*statements: str) -> None:
    with without_triggers() as connection:
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0


def verified() -> audit.Verification:
    with db.unit_of_work(writes=False):
        return audit.verify()


def verify(world: World, *arguments: str) -> Result:
    return world.app.test_cli_runner().invoke(args=["audit", "verify", *arguments])


@pytest.fixture
def rows(world: World) -> int:
    """Leave some rows in the trail and return their number."""
    for _ in range(5):
        a_role("users:read")
    a_user()
    return verified().rows


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_events SET outcome = 'failure'",
            "UPDATE audit_events SET hash = '' WHERE seq = 2",
            "DELETE FROM audit_events",
            "DELETE FROM audit_events WHERE seq = 2",
            pytest.param(
                "INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events WHERE seq = 2",
                marks=pytest.mark.skipif(SERVICES, reason="PostgreSQL has no OR REPLACE"),
            ),
            pytest.param(
                "TRUNCATE audit_events",
                marks=pytest.mark.skipif(not SERVICES, reason="SQLite has no TRUNCATE"),
            ),
        ],
    )
    def test_refuses(self, rows: int, statement: str) -> None:
        with pytest.raises(DBAPIError, match="append-only"), db.engine().begin() as connection:
            connection.execute(text(statement))

        assert verified() == audit.Verification(rows, verified().head, None)

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_has_no_route_that_writes(self, api: Api, method: str) -> None:
        admin = api.as_(an_admin())

        answers = [admin.send(method, path, {}) for path in ("/api/v1/audit-events", "/api/v1/audit-events/1")]

        assert [answer.status_code for answer in answers] == [405, 404]


class TestVerify:
    def test_finds_nothing_in_an_untouched_trail(self, rows: int) -> None:
        found = verified()

        assert found.fault is None
        assert len(found.head) == 64
        assert rows > 5

    def test_has_a_new_head_after_each_event(self, rows: int) -> None:
        before = verified()
        a_role()
        after = verified()

        assert after.rows == before.rows + 1
        assert after.head != before.head

    @pytest.mark.parametrize(
        "change",
        [
            "at = '2020-01-01 00:00:00'",
            "event = 'role_deleted'",
            "outcome = 'failure'",
            "actor_type = 'user'",
            "actor_id = '1'",
            "target_type = 'user'",
            "target_id = '999'",
            "ip = '192.0.2.1'",
            "user_agent = 'x'",
            "request_id = 'x'",
            "detail = '{}'",
            "hash = '0000000000000000000000000000000000000000000000000000000000000000'",
            "id = (SELECT id FROM sessions LIMIT 1)",
        ],
        ids=lambda change: change.partition(" ")[0],
    )
    def test_finds_an_edited_row(self, api: Api, rows: int, change: str) -> None:
        api.sign_in(a_user())

        tamper(f"UPDATE audit_events SET {change} WHERE seq = 3")  # noqa: S608 -- a change of this test

        assert verified().fault == "row 3 was changed"

    @pytest.mark.parametrize("seq", [1, 3])
    def test_finds_a_missing_row(self, rows: int, seq: int) -> None:
        tamper(f"DELETE FROM audit_events WHERE seq = {seq}")  # noqa: S608 -- a number of this test

        assert verified().fault == f"row {seq} is missing"

    def test_finds_a_missing_row_whose_gap_was_closed(self, rows: int) -> None:
        tamper(
            "DELETE FROM audit_events WHERE seq = 3",
            "UPDATE audit_events SET seq = -seq WHERE seq > 3",
            "UPDATE audit_events SET seq = -seq - 1 WHERE seq < 0",
        )

        assert verified().fault == "row 3 was changed"

    def test_finds_rows_that_changed_places(self, rows: int) -> None:
        tamper(
            "UPDATE audit_events SET seq = -2 WHERE seq = 2",
            "UPDATE audit_events SET seq = 2 WHERE seq = 3",
            "UPDATE audit_events SET seq = 3 WHERE seq = -2",
        )

        assert verified().fault == "row 2 was changed"

    @pytest.mark.parametrize("kept", [0, 1, 4])
    def test_finds_that_the_end_was_cut_off(self, rows: int, kept: int) -> None:
        tamper(f"DELETE FROM audit_events WHERE seq > {kept}")  # noqa: S608 -- a number of this test

        assert verified().fault == f"the rows after {kept} are missing"

    def test_finds_that_the_end_was_cut_off_and_the_head_set_back(self, world: World, rows: int) -> None:
        head = verified().head

        tamper(
            "DELETE FROM audit_events WHERE seq > 3",
            "UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit_events WHERE seq = 3)",
        )

        assert verify(world, "--expect", head).exit_code == 1

    @pytest.mark.parametrize("seq", ["min(seq) - 1", "min(seq) - 8", "max(seq) + 1", "max(seq) + 9"])
    def test_finds_an_inserted_row(self, api: Api, rows: int, seq: str) -> None:
        api.sign_in(a_user())

        tamper(INSERTION.format(seq=seq))

        assert verified().fault

    def test_finds_a_row_that_was_added_past_the_head(self, rows: int) -> None:
        a_role()

        tamper(
            "UPDATE audit_head SET seq = seq - 1, hash = (SELECT hash FROM audit_events WHERE seq = audit_head.seq - 1)"
        )

        assert verified().fault == f"row {rows + 1} was added past the head"

    @pytest.mark.parametrize(
        "statement",
        ["DELETE FROM audit_head", "UPDATE audit_head SET seq = seq + 1", "UPDATE audit_head SET hash = 'x'"],
    )
    def test_finds_a_head_that_is_not_the_last_row(self, rows: int, statement: str) -> None:
        tamper(statement)

        assert verified().fault

    def test_is_not_misled_by_what_is_written_meanwhile(self, rows: int) -> None:
        with coming_between("after_cursor_execute", ("FROM audit_events",), a_role) as written:
            found = verified()

        assert written.is_set()
        assert found.fault is None
        assert verified().rows == rows + 1


class TestParallelWriters:
    def test_leave_an_unbroken_chain(self, api: Api) -> None:
        admin, start = api.as_(an_admin()), Barrier(30)
        before = verified().rows

        def write(number: int) -> int:
            start.wait()
            return admin.post("/api/v1/roles", {"name": f"role-of-{number}"}).status_code

        with ThreadPoolExecutor(30) as pool:
            statuses = set(pool.map(write, range(30)))

        after = verified()
        assert statuses == {201}
        assert (after.rows, after.fault) == (before + 30, None)


class TestCommand:
    def test_exits_with_0_on_an_unbroken_trail_and_shows_its_head(self, world: World, rows: int) -> None:
        result = verify(world)

        assert result.exit_code == 0
        assert result.output == f"{rows} rows, unbroken. Head: {verified().head}\n"

    def test_exits_with_0_on_an_empty_trail(self, world: World) -> None:
        tamper("UPDATE audit_head SET seq = 0, hash = ''")

        assert verify(world).exit_code == 0

    def test_exits_with_1_on_a_broken_trail_and_says_where(self, world: World, rows: int) -> None:
        tamper("UPDATE audit_events SET outcome = 'failure' WHERE seq = 2")

        result = verify(world)

        assert result.exit_code == 1
        assert "The audit chain is broken: row 2 was changed." in result.output

    def test_compares_with_the_head_of_an_earlier_time(self, world: World, rows: int) -> None:
        head = verified().head

        same = verify(world, "--expect", head)
        other = verify(world, "--expect", "0" * 64)

        assert (same.exit_code, other.exit_code) == (0, 1)
        assert head in other.output
