"""That finding people by what they sign in with does not read the whole table."""

import pytest
from sqlalchemy import text

from app.features.accounts import credentials
from app.infra import db
from tests.world import SERVICES, World


@pytest.mark.skipif(SERVICES, reason="PostgreSQL plans by statistics: a scan is right for a table of a few rows")
def test_looking_up_a_login_searches_the_indexes(world: World) -> None:
    credentials.find_credentials("nobody-here")
    statement = credentials._BY_LOGIN._compiled[db.engine()]._sql

    with db.unit_of_work(writes=False):
        plan = [
            str(row)
            for row in db.session().execute(text(f"EXPLAIN QUERY PLAN {statement}"), {"login": "x", "login_1": "x"})
        ]

    assert any("ix_users_email_key" in step for step in plan), plan
    assert any("ix_users_username_key" in step for step in plan), plan
    assert not any("SCAN" in step for step in plan), plan
