"""Metrics for Prometheus, right with many workers that come and go.

Each process counts into a file of its own (prometheus_client's multi-process mode); whoever is asked adds up all of
them. A file of counters outlives its process, so that nothing is lost when workers are recycled; gauges of a process
that ended are forgotten. Until ``start`` nothing is counted, and the library is not imported: commands stay quick.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core import config

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_QUERY_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_OF_A_PROCESS = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


@dataclass(frozen=True, slots=True)
class Figure:
    """What is read when somebody asks, not counted as it happens: a name, its meaning, and values by labels."""

    name: str
    meaning: str
    values: Iterable[tuple[dict[str, str], float]]


Figures = Callable[[], Iterable[Figure]]


class _Metrics:
    """Every metric that is counted as it happens."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415 -- once metrics are wanted

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(name, meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, mode: Any = "livesum") -> Gauge:  # noqa: ANN401 -- the library's literals
            return Gauge(name, meaning, registry=registry, multiprocess_mode=mode)

        self.requests = counter("http_requests_total", "Requests answered.", "method", "endpoint", "status")
        self.request_seconds = Histogram(
            "http_request_duration_seconds",
            "How long requests took.",
            ("method", "endpoint"),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self.errors = counter("app_errors_total", "Requests that failed, by code.", "type")
        self.queries = Histogram(
            "database_query_duration_seconds",
            "How long statements took.",
            buckets=_QUERY_SECONDS,
            registry=registry,
        )
        self.active = gauge("database_connections_active", "Database connections in use.")
        self.idle = gauge("database_connections_idle", "Database connections that wait to be used.")
        self.redis = counter("redis_commands_total", "Commands sent to Redis.", "outcome")
        self.events = counter("app_events_total", "Events of the audit trail.", "event", "outcome")
        self.degraded = gauge("ratelimit_degraded", "1 while limits are counted in each process alone.", "livemax")
        self.by_request: dict[tuple[str, str, int], tuple[Any, Any]] = {}


_on: _Metrics | None = None
_folder: Path | None = None
_registry: "CollectorRegistry | None" = None
_figures: list[Figures] = []


def start(folder: Path | None = None) -> None:
    """Count from now on: in files of this folder, which all workers share, or in this process alone.

    Workers that are forked later go on counting by themselves.
    """
    global _on, _folder, _registry  # noqa: PLW0603 -- what this process counts into
    if _on is not None and _folder == folder:
        return
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        config.publish("PROMETHEUS_MULTIPROC_DIR", str(folder))
    from prometheus_client import CollectorRegistry, values  # noqa: PLC0415 -- as above

    values.ValueClass = values.MultiProcessValue() if folder else values.MutexValue  # type: ignore[no-untyped-call]
    _folder, _registry = folder, CollectorRegistry()
    _on = _Metrics(_registry)


def stop() -> None:
    """Count no more, and forget what this process counted by itself."""
    global _on, _registry  # noqa: PLW0603 -- as in start
    _on = _registry = None


def clear(folder: Path) -> None:
    """Forget what an earlier run counted: Prometheus knows how to read a counter that begins anew."""
    for path in folder.glob("*.db"):
        path.unlink(missing_ok=True)


def collect(figures: Figures) -> None:
    """Have figures read whenever somebody asks for the metrics."""
    if figures not in _figures:
        _figures.append(figures)


def request(method: str | None, endpoint: str | None, status: int, seconds: float) -> None:
    """Count an answer. ``endpoint`` is the template of a route; whatever matched none shares one label."""
    if _on is None:
        return
    name = (method if method in _METHODS else "other", endpoint or "unmatched", status)
    found = _on.by_request.get(name)
    if found is None:
        found = _on.by_request[name] = (
            _on.requests.labels(name[0], name[1], str(status)),
            _on.request_seconds.labels(name[0], name[1]),
        )
    found[0].inc()
    found[1].observe(seconds)


def error(code: str) -> None:
    """Count a failure that was answered."""
    if _on is not None:
        _on.errors.labels(code).inc()


def event(name: str, outcome: str) -> None:
    """Count an event of the audit trail."""
    if _on is not None:
        _on.events.labels(name, outcome).inc()


def query(seconds: float) -> None:
    """Note how long a statement took."""
    if _on is not None:
        _on.queries.observe(seconds)


def connections(*, active: int, idle: int) -> None:
    """Note how many connections of this process are in use, and how many wait."""
    if _on is not None:
        _on.active.set(active)
        _on.idle.set(idle)


def redis_command(outcome: str) -> None:
    """Count a command sent to Redis."""
    if _on is not None:
        _on.redis.labels(outcome).inc()


def limiter(*, degraded: bool) -> None:
    """Note whether this process counts traffic alone."""
    if _on is not None:
        _on.degraded.set(1 if degraded else 0)


def forget_the_dead() -> None:
    """Remove the gauges of workers that ended. Their counters stay."""
    if _folder is not None:
        _forget_the_dead(_folder)


def exposition() -> bytes:
    """Return everything in the text format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 -- as above
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 -- as above

    asked = CollectorRegistry()
    if _folder is not None:
        _forget_the_dead(_folder)
        MultiProcessCollector(asked, path=str(_folder))  # type: ignore[no-untyped-call]
    counted = generate_latest(asked if _folder is not None else _registry or asked)
    return counted + generate_latest(_read_figures())


def _read_figures() -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 -- as above
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 -- as above

    class Reader:
        def collect(self) -> Iterable[GaugeMetricFamily]:
            for read in _figures:
                for figure in read():
                    values = list(figure.values)
                    labels = list(values[0][0]) if values else []
                    family = GaugeMetricFamily(figure.name, figure.meaning, labels=labels)
                    for named, value in values:
                        family.add_metric([named[label] for label in labels], value)
                    yield family

    registry = CollectorRegistry()
    registry.register(Reader())
    return registry


def _forget_the_dead(folder: Path) -> None:
    """Remove the gauges of processes that are no more."""
    for path in folder.glob("gauge_live*.db"):
        found = _OF_A_PROCESS.fullmatch(path.name)
        if found and not Path(f"/proc/{found[1]}").exists() and not _is_alive(int(found[1])):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
