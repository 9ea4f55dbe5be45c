"""Complaints that would come with each request: one now and then, with how many were kept back."""

import logging
import time
from threading import Lock

_SECONDS = 10.0

_lock = Lock()
_quiet_until: dict[str, float] = {}
_kept_back: dict[str, int] = {}


def warn(log: logging.Logger, message: str, **extra: object) -> None:
    """Log a warning, unless this process said the same within the last ten seconds."""
    now = time.monotonic()
    with _lock:
        if now < _quiet_until.get(message, 0.0):
            _kept_back[message] = _kept_back.get(message, 0) + 1
            return
        _quiet_until[message] = now + _SECONDS
        times = _kept_back.pop(message, 0)
    log.warning(message, extra={**extra, "kept_back": times} if times else extra)


def forget() -> None:
    """Let the next one through; the process begins anew."""
    with _lock:
        _quiet_until.clear()
        _kept_back.clear()
