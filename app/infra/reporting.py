"""Reports of unforeseen failures (Sentry | nothing), without personal data.

Off, which is the default, sentry-sdk is not imported. A report says which kind of exception was raised where in the
code, at which route and under which request id; its text stands in the log alone, as it may hold anything.
"""

import os
from multiprocessing import util
from typing import TYPE_CHECKING

from app.core import origin
from app.core.config import Settings
from app.core.errors import Failure

if TYPE_CHECKING:
    from app.infra.sentry import Sentry

_sentry: "Sentry | None" = None


def connect(settings: Settings) -> None:
    """Report from now on, or no more. Opens no connection, starts no thread."""
    global _sentry  # noqa: PLW0603 -- one Sentry for each process, known after assembly
    stop()
    _sentry = None
    if settings.sentry_dsn:
        from app.infra.sentry import Sentry  # noqa: PLC0415 -- sentry-sdk costs 3 MB and 70 ms

        _sentry = Sentry(settings)


def start() -> None:
    """Have this process, which serves or works, send what is left before it ends."""
    if _sentry is not None and _sentry.ends_with != os.getpid():
        _sentry.ends_with = os.getpid()
        util.Finalize(None, stop, exitpriority=50)  # after the background thread, whose failures it sends


def stop() -> None:
    """Send what is left, for two seconds at most."""
    if _sentry is not None:
        _sentry.flush()


def unforeseen(error: BaseException, *, task: str | None = None) -> None:
    """Report an exception that nobody anticipated. Returns at once; what cannot be sent is lost."""
    if _sentry is not None and not isinstance(error, Failure):
        _sentry.report(error, origin.current(), task)
