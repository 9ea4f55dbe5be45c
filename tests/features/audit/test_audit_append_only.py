"""What the database refuses to whoever speaks SQL to it: everything but letting go of old rows from the front."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.features.audit import service as audit
from app.infra import db
from tests.api import a_role
from tests.conftest import Clock
from tests.features.audit.test_audit_chain import verified
from tests.world import SERVICES, World

OVERWRITING = "INSERT INTO audit_events SELECT * FROM audit_events WHERE seq = 2 AND true ON CONFLICT ({}) DO UPDATE {}"

PRAGMAS = ("recursive_triggers = ON", "foreign_keys = OFF", "ignore_check_constraints = ON", "defer_foreign_keys = ON")

TRICKS = {
    "a temporary head": [
        "CREATE TEMP TABLE audit_head AS SELECT 1 AS id, 999999::bigint AS pruned_seq",
        "DELETE FROM public.audit_events WHERE seq = 1",
    ],
    "another clock": [
        "CREATE SCHEMA trick",
        "CREATE FUNCTION trick.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2999-01-01'::timestamptz $$",
        "SET LOCAL search_path = trick, pg_catalog, public",
        "UPDATE audit_head SET pruned_seq = seq",
        "DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)",
    ],
    "cascade": ["TRUNCATE audit_events CASCADE"],
    "merge": ["MERGE INTO audit_events a USING (SELECT 1) b ON a.seq = 1 WHEN MATCHED THEN DELETE"],
    "merge to change": [
        "MERGE INTO audit_events a USING (SELECT 1) b ON a.seq = 1 WHEN MATCHED THEN UPDATE SET outcome = 'failure'"
    ],
    "inside of a query": ["WITH gone AS (DELETE FROM audit_events RETURNING seq) SELECT count(*) FROM gone"],
}


def execute(*statements: str) -> None:
    with db.engine().begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def old(world: World, clock: Clock) -> None:
    """Leave rows that are old enough to go, and a new one."""
    clock.advance(days=-800)
    for _ in range(6):
        a_role()
    clock.advance(days=800)
    a_role()


@pytest.mark.usefixtures("old")
class TestDatabase:
    @pytest.mark.parametrize(
        "statement",
        [
            pytest.param("DELETE FROM audit_events WHERE seq = 1", id="an old row that was not let go"),
            pytest.param("DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)", id="a young row"),
            pytest.param("DELETE FROM audit_events", id="all"),
            pytest.param("UPDATE audit_events SET detail = '{}' WHERE seq = 1", id="an old row changed"),
        ],
    )
    def test_refuses_to_change_or_delete(self, statement: str) -> None:
        with pytest.raises(DBAPIError, match="append-only"):
            execute(statement)

        assert verified().fault is None

    def test_refuses_to_delete_young_rows_though_the_head_says_they_went(self) -> None:
        execute("UPDATE audit_head SET pruned_seq = seq")

        with pytest.raises(DBAPIError, match="append-only"):
            execute("DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)")

    @pytest.mark.parametrize("change", ["pruned_seq = pruned_seq - 1", "pruned_seq = seq + 1"])
    def test_refuses_to_move_the_head_where_it_cannot_be(self, change: str) -> None:
        audit.prune()

        with pytest.raises(DBAPIError, match="append-only"):
            execute(f"UPDATE audit_head SET {change}")  # noqa: S608 -- a change of this test

    def test_refuses_to_delete_without_a_head(self) -> None:
        execute("DELETE FROM audit_head")

        with pytest.raises(DBAPIError, match="append-only"):
            execute("DELETE FROM audit_events WHERE seq = 1")

    @pytest.mark.parametrize("column", ["seq", "id"])
    def test_refuses_to_overwrite_on_conflict(self, column: str) -> None:
        with pytest.raises(DBAPIError, match="append-only"):
            execute(OVERWRITING.format(column, "SET outcome = 'failure'"))

    @pytest.mark.skipif(SERVICES, reason="SQLite's own ways around")
    @pytest.mark.parametrize("pragma", PRAGMAS)
    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events WHERE seq = 2",
            "REPLACE INTO audit_events SELECT * FROM audit_events WHERE seq = 2",
            "UPDATE OR REPLACE audit_events SET seq = 2 WHERE seq = 3",
            "UPDATE OR IGNORE audit_events SET outcome = 'failure'",
            "DELETE FROM audit_events",
        ],
    )
    def test_refuses_whatever_the_pragmas_say(self, pragma: str, statement: str) -> None:
        with db.engine().connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql(f"PRAGMA {pragma}")
            with pytest.raises(DBAPIError, match="append-only"):
                connection.exec_driver_sql(statement)
            connection.invalidate()

        assert verified().fault is None

    @pytest.mark.skipif(not SERVICES, reason="PostgreSQL's own ways around")
    @pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
    def test_refuses_tricks(self, trick: list[str]) -> None:
        with pytest.raises(DBAPIError, match="append-only"):
            execute(*trick)

        assert verified().fault is None
