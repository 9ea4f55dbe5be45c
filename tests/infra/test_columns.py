from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from app.features.accounts.models import User
from app.infra import db
from app.infra.columns import Model
from tests.infra.things import Thing

pytestmark = pytest.mark.usefixtures("things")

INDIA = timezone(timedelta(hours=5, minutes=30))
NOON = datetime(2026, 1, 9, 12, 0, 0, 123456, UTC)


def stored_and_read(at: datetime | None) -> datetime | None:
    with db.unit_of_work():
        db.session().add(Thing(name="lamp", at=at))
    with db.unit_of_work(writes=False):
        return db.session().scalars(select(Thing.at)).one()


class TestUtcDateTime:
    def test_comes_back_as_it_was(self) -> None:
        assert stored_and_read(NOON) == NOON

    def test_comes_back_aware_in_utc(self) -> None:
        read = stored_and_read(NOON)

        assert read is not None
        assert read.tzinfo is UTC

    def test_turns_other_zones_into_utc(self) -> None:
        read = stored_and_read(NOON.astimezone(INDIA))

        assert read is not None
        assert (read, read.utcoffset()) == (NOON, timedelta(0))

    def test_may_be_missing(self) -> None:
        assert stored_and_read(None) is None

    def test_refuses_a_naive_time(self) -> None:
        with pytest.raises(StatementError, match="a time without zone"):
            stored_and_read(NOON.replace(tzinfo=None))

    def test_refuses_a_naive_time_in_a_comparison(self) -> None:
        with pytest.raises(StatementError, match="a time without zone"), db.unit_of_work(writes=False):
            db.session().scalars(select(Thing).where(Thing.at > NOON.replace(tzinfo=None))).all()

    def test_compares_moments_and_not_the_words_for_them(self) -> None:
        stored_and_read(NOON)
        just_before = (NOON - timedelta(seconds=1)).astimezone(INDIA)

        with db.unit_of_work(writes=False):
            later = db.session().scalars(select(Thing.name).where(Thing.at > just_before)).all()

        assert later == ["lamp"]

    def test_sorts_by_time(self) -> None:
        with db.unit_of_work():
            for name, hours in (("second", 1), ("third", 2), ("first", 0)):
                db.session().add(Thing(name=name, at=(NOON + timedelta(hours=hours)).astimezone(INDIA)))

        with db.unit_of_work(writes=False):
            names = db.session().scalars(select(Thing.name).order_by(Thing.at)).all()

        assert names == ["first", "second", "third"]


class TestOtherColumns:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            pytest.param("number", 2**63 - 1, id="the largest 64-bit number"),
            pytest.param("number", -(2**63), id="the smallest 64-bit number"),
            pytest.param("ref", UUID("01890a5d-ac96-774b-bcce-b302099a8057"), id="a UUID"),
            pytest.param("data", {"a": [1, None, "ü\n", True, 1.5]}, id="JSON"),
            pytest.param("data", [], id="an empty list"),
            pytest.param("data", "", id="an empty text as JSON"),
            pytest.param("is_new", True, id="true"),
            pytest.param("is_new", False, id="false"),
            pytest.param("raw", b"\0\xff", id="bytes"),
            pytest.param("name", "Zoë 🜃 日本", id="any script"),
            *(pytest.param(column, None, id=f"no {column}") for column in ("ref", "data", "is_new", "raw")),
        ],
    )
    def test_come_back_as_they_were(self, column: str, value: object) -> None:
        with db.unit_of_work():
            db.session().add(Thing(**{"name": "lamp", column: value}))

        with db.unit_of_work(writes=False):
            read = getattr(db.session().scalars(select(Thing)).one(), column)

        assert read == value
        assert type(read) is type(value)


class TestModels:
    def test_show_their_key_only(self) -> None:
        user = User(id=7, email="grace@navy.test", password_hash="$argon2id$secret")

        assert repr(user) == "<User 7>"

    def test_name_every_constraint(self) -> None:
        unnamed = [
            constraint
            for table in Model.metadata.tables.values()
            for constraint in table.constraints
            if constraint.name is None
        ]

        assert unnamed == []
