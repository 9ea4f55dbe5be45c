"""What auth does on its own."""

from datetime import timedelta

from app.features.auth import service as auth
from app.infra.queue import task

forget_old_guesses = task("auth.forget_old_guesses", every=timedelta(hours=1))(auth.forget_old_guesses)
forget_ended_sessions = task("auth.forget_ended_sessions", every=timedelta(days=1), unit=False)(
    auth.forget_ended_sessions
)
forget_expired_links = task("auth.forget_expired_links", every=timedelta(hours=1), unit=False)(
    auth.forget_expired_links
)
