"""The background work of auth."""

from app.features.auth import service as auth


def forget_ended_sessions() -> None:
    """Delete sessions that ended long ago; once a day is often enough."""
    auth.forget_ended_sessions()


def forget_expired_links() -> None:
    """Delete one-time codes that expired; once an hour is often enough."""
    auth.forget_expired_links()


def forget_old_guesses() -> None:
    """Delete counters of guesses that are long over; once a day is often enough."""
    auth.forget_old_guesses()
