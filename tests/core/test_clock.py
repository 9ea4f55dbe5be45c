from datetime import UTC, datetime, timedelta

import pytest

from app.core import clock


class TestNow:
    def test_is_aware_and_in_utc(self) -> None:
        at = clock.now()

        assert at.utcoffset() == timedelta(0)

    def test_is_the_present_time(self) -> None:
        before = datetime.now(UTC) - timedelta(milliseconds=1)

        at = clock.now()

        assert before < at <= datetime.now(UTC)

    def test_is_cut_to_milliseconds(self) -> None:
        moments = [clock.now() for _ in range(200)]

        assert [at.microsecond % 1000 for at in moments] == [0] * 200


class TestRfc3339:
    @pytest.mark.parametrize(
        ("at", "written"),
        [
            pytest.param(datetime(2026, 1, 9, 7, 0, 0, 123_000, UTC), "2026-01-09T07:00:00.123Z", id="plain"),
            pytest.param(datetime(2026, 1, 9, 7, 0, tzinfo=UTC), "2026-01-09T07:00:00.000Z", id="a whole second"),
            pytest.param(datetime(2026, 12, 31, 23, 59, 59, 7_999, UTC), "2026-12-31T23:59:59.007Z", id="cut"),
            pytest.param(datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00.000Z", id="four digits of year"),
        ],
    )
    def test_has_milliseconds_and_z(self, at: datetime, written: str) -> None:
        assert clock.rfc3339(at) == written

    def test_is_read_back_as_the_same_moment(self) -> None:
        at = clock.now()

        assert datetime.fromisoformat(clock.rfc3339(at)) == at
