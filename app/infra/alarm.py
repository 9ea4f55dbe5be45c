"""A limit on how long something takes."""

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LET_GO_SECONDS = 30.0
"""So much later the process ends if what was told that its time is over goes on. A rollback is over before."""


class TookTooLong(BaseException):
    """Time is up. No ``Exception``, so that whoever catches those to go on does not catch this."""


@contextmanager
def after(seconds: float) -> Iterator[None]:
    """Raise TookTooLong inside once the time is over.

    In the main thread it interrupts whatever waits, and what goes on all the same ends with its process. In another
    it is heard between two steps of Python: a call that never returns is not interrupted.
    """
    is_main = threading.current_thread() is threading.main_thread()
    with _signalled(seconds) if is_main else _told(seconds):
        yield


@contextmanager
def _signalled(seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _LET_GO_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(*_: object) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the next one ends the process
    raise TookTooLong


@contextmanager
def _told(seconds: float) -> Iterator[None]:
    thread, lock, is_over = threading.get_ident(), threading.Lock(), threading.Event()

    def tell() -> None:
        with lock:
            if not is_over.is_set():
                _raise_in(thread, TookTooLong)

    bell = threading.Timer(seconds, tell)
    bell.daemon = True
    bell.start()
    try:
        yield
    finally:
        with lock:
            is_over.set()
            _raise_in(thread, None)  # what was told and not heard yet is not for whoever comes next
        bell.cancel()


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error and ctypes.py_object(error))
