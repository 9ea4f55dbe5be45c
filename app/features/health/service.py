"""The door of health.

Liveness touches no neighbour. Readiness asks each, all at once, with a time limit: only what nothing works
without (the database and its schema) makes an instance not ready; a Redis hiccup must not take every replica out
of the balancer together.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from shutil import disk_usage
from threading import BoundedSemaphore, Lock

from app.core import clock
from app.core.config import Settings
from app.core.errors import Unavailable
from app.core.version import VERSION
from app.infra import db, draining, mailer, migrations, queue, redis

__all__ = ["Check", "Health", "NotReady", "Readiness", "connect", "health", "readiness"]

_LIMIT_SECONDS = 2.0
_MOST_ASKERS = 2
"""Who may wait for answers at once: others are told the last one, so that probes leave a thread for ``/health``."""

_LEAST_DISK_GB = 0.1
_GB = 1e9

UP, DOWN, DISABLED = "up", "down", "disabled"


@dataclass(frozen=True, slots=True)
class Check:
    """What one neighbour said, and how long it took in milliseconds."""

    status: str
    latency_ms: float | None = None
    available_gb: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """That the process answers."""

    status: str
    timestamp: datetime
    version: str
    service: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Every check, and what follows from them."""

    status: str
    timestamp: datetime
    checks: dict[str, Check]


class NotReady(Unavailable):
    """This instance cannot work now."""

    code = "NOT_READY"
    message = "This instance is not ready."


Probe = Callable[[], float | None]
"""Raises if the neighbour is away; may return free space in GB."""

_settings: Settings
_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="readiness")
_askers = BoundedSemaphore(_MOST_ASKERS)
_asked: dict[str, Future[Check]] = {}
_last: "Readiness | None" = None
_lock = Lock()


def connect(settings: Settings) -> None:
    """Learn which neighbours there are."""
    global _settings, _last
    _settings, _last = settings, None
    _asked.clear()


def health() -> Health:
    """Answer, whatever is down."""
    return Health("healthy", clock.now(), VERSION, _settings.service_name)


def readiness() -> Readiness:
    """Ask every neighbour; one that does not answer within two seconds is down."""
    global _last  # noqa: PLW0603 -- what a crowd is told
    is_let_in = _askers.acquire(blocking=_last is None)
    if not is_let_in and _last is not None:
        return _last
    try:
        _last = _examine()
        return _last
    finally:
        _askers.release()


def _examine() -> Readiness:
    probes: dict[str, Probe | None] = {
        "database": db.ping,
        "migrations": _migrations,
        "redis": redis.ping if redis.is_configured() else None,
        "queue": queue.ping if queue.is_remote() else None,
        "mail": mailer.ping if mailer.is_remote() else None,
        "storage": _storage,
        "disk_space": _disk_space,
    }
    asked = {name: _answer_of(name, probe) for name, probe in probes.items() if probe}
    wait(asked.values(), timeout=_LIMIT_SECONDS)
    checks = {
        name: Check(DISABLED) if name not in asked else asked[name].result() if asked[name].done() else Check(DOWN)
        for name in probes
    }
    return Readiness("draining" if draining.is_on() else _verdict(checks), clock.now(), checks)


def _verdict(checks: dict[str, Check]) -> str:
    if DOWN in {checks["database"].status, checks["migrations"].status}:
        return "not_ready"
    return "degraded" if any(check.status == DOWN for check in checks.values()) else "ready"


def _answer_of(name: str, probe: Probe) -> Future[Check]:
    """Ask, unless the last question is still open: a neighbour that hangs holds one thread, and not every other's."""
    with _lock:
        last = _asked.get(name)
        if last is None or last.done():
            last = _asked[name] = _pool.submit(_ask, probe)
        return last


def _ask(probe: Probe) -> Check:
    started = time.perf_counter()
    try:
        space = probe()
    except Exception:  # noqa: BLE001 -- whatever a neighbour raises, it is down
        return Check(DOWN, _since(started))
    return Check(UP, _since(started), space)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


def _migrations() -> None:
    if migrations.are_pending():
        raise NotReady


def _storage() -> None:
    probe = _settings.var_dir / f".ready-{time.monotonic_ns()}"
    probe.touch()
    probe.unlink()


def _disk_space() -> float:
    free = disk_usage(_settings.var_dir).free / _GB
    if free < _LEAST_DISK_GB:
        raise NotReady
    return round(free, 2)
