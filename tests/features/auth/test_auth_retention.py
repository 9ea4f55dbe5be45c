"""What auth keeps of the past, and for how long."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.core.ids import uuid7
from app.features.auth import personal, tasks
from app.features.auth import service as auth
from app.features.auth.models import OneTimeCode, Session, ThrottleBucket
from app.infra import db
from tests.api import Person, a_user
from tests.conftest import Clock
from tests.features.auth.looks import sessions_of
from tests.world import World

pytestmark = pytest.mark.usefixtures("world")


def a_session(person: Person, clock: Clock, *, expires_in: int, revoked_in: int | None = None) -> str:
    """Begin a session that ends in so many days."""
    session = Session(
        id=uuid7(),
        user_id=person.id,
        methods=["pwd"],
        expires_at=clock.at + timedelta(days=expires_in),
        revoked_at=None if revoked_in is None else clock.at + timedelta(days=revoked_in),
        **dict.fromkeys(("rotated_at", "auth_time", "created_at", "last_used_at"), clock.at),
    )
    with db.unit_of_work():
        db.session().add(session)
    return str(session.id)


def a_code(name: str, clock: Clock, **expires_in: float) -> None:
    with db.unit_of_work():
        times = {"created_at": clock.at, "expires_at": clock.at + timedelta(**expires_in)}
        db.session().add(OneTimeCode(hash=name, purpose="test", **times))


def codes() -> list[str]:
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(OneTimeCode.hash).order_by(OneTimeCode.hash)))


class TestSessions:
    def test_are_kept_for_as_long_as_is_set_after_they_ended(self, clock: Clock) -> None:
        person = a_user()
        revoked = a_session(person, clock, expires_in=30, revoked_in=1)
        expired = a_session(person, clock, expires_in=10)
        live = a_session(person, clock, expires_in=200)

        kept, begun = {}, clock.at
        for day in (1, 91, 92, 100, 101):
            clock.at = begun + timedelta(days=day)
            tasks.forget_ended_sessions.run()
            kept[day] = {str(session.id) for session in sessions_of(person)}

        assert kept == {
            1: {revoked, expired, live},
            91: {revoked, expired, live},
            92: {expired, live},
            100: {expired, live},
            101: {live},
        }

    def test_are_kept_as_long_as_the_setting_says(self, world: World, clock: Clock) -> None:
        world.with_settings(session_retention_days=3)
        person = a_user()
        a_session(person, clock, expires_in=1)
        clock.advance(days=4)
        early = auth.forget_ended_sessions()
        clock.advance(seconds=1)

        assert (early, auth.forget_ended_sessions()) == (0, 1)

    def test_are_forgotten_in_batches(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(personal, "_BATCH", 2)
        person = a_user()
        for _ in range(5):
            a_session(person, clock, expires_in=1)
        clock.advance(days=100)

        assert auth.forget_ended_sessions() == 5
        assert sessions_of(person) == []


class TestCodes:
    def test_are_forgotten_once_they_expired(self, clock: Clock) -> None:
        a_code("old", clock, minutes=30)
        a_code("young", clock, minutes=31)
        clock.advance(minutes=30)

        tasks.forget_expired_links.run()

        assert codes() == ["young"]


class TestCounters:
    def test_are_forgotten_a_day_after(self, clock: Clock) -> None:
        with db.unit_of_work():
            db.session().add(ThrottleBucket(bucket="made up", n=1, window_start=clock.at))
        clock.advance(days=1)

        tasks.forget_old_guesses.run()

        with db.unit_of_work(writes=False):
            assert db.session().scalar(select(func.count(ThrottleBucket.bucket))) == 0
