"""A limit on how long something takes, where it can be kept: in the main thread of a process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TookTooLong(BaseException):
    """Time is up. No ``Exception``, so that whoever catches those to go on does not catch this."""


@contextmanager
def after(seconds: float) -> Iterator[None]:
    """Raise TookTooLong inside once the time is over. In another thread than the main one it only waits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(*_: object) -> None:
    raise TookTooLong
