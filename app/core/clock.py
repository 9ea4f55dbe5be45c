"""The only call to the system clock."""

from datetime import UTC, datetime

_WITHOUT_ZONE = len("2026-01-09T07:00:00.123")


def now() -> datetime:
    """Tell the time, aware, in UTC, cut to milliseconds: what is stored is what the wire shows."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def rfc3339(at: datetime) -> str:
    """Write an aware UTC time as RFC 3339 with milliseconds and ``Z``."""
    return at.isoformat(timespec="milliseconds")[:_WITHOUT_ZONE] + "Z"
