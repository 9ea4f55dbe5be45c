"""Metrics for Prometheus, right with many workers that come and go.

Each process counts into a file of its own (prometheus_client's multi-process mode); whoever is asked adds up all of
them. What a process counted outlives it, so that nothing is lost when workers are recycled; gauges of a process
that ended are forgotten. Until ``start`` nothing is counted, and the library is not imported: commands stay quick.
"""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core import config
from app.infra import metrics_files

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_QUERY_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_JOB_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Figure:
    """What is read when somebody asks, not counted as it happens: a name, its meaning, and values by labels."""

    name: str
    meaning: str
    values: list[tuple[dict[str, str], float]]


Figures = Callable[[], Iterable[Figure]]


class _Metrics:
    """Every metric that is counted as it happens."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415 -- once metrics are wanted

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(name, meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, meaning, labels, buckets=buckets, registry=registry)

        def gauge(name: str, meaning: str, mode: Any = "livesum") -> Gauge:  # noqa: ANN401 -- the library's literals
            return Gauge(name, meaning, registry=registry, multiprocess_mode=mode)

        self.requests = counter("http_requests_total", "Requests answered.", "method", "endpoint", "status")
        self.request_seconds = histogram(
            "http_request_duration_seconds", "How long requests took.", _REQUEST_SECONDS, "method", "endpoint"
        )
        self.errors = counter("app_errors_total", "Requests that failed, by code.", "type")
        self.queries = histogram("database_query_duration_seconds", "How long statements took.", _QUERY_SECONDS)
        self.active = gauge("database_connections_active", "Database connections in use.")
        self.idle = gauge("database_connections_idle", "Database connections that wait to be used.")
        self.redis = counter("redis_commands_total", "Commands sent to Redis.", "outcome")
        self.hits = counter("redis_cache_hits_total", "Answers that were kept, on Redis or in a process.", "cache")
        self.misses = counter("redis_cache_misses_total", "Answers that had to be computed.", "cache")
        self.throttled = counter(
            "throttle_refused_total", "Guesses that were not checked, by the full counter.", "counter"
        )
        self.limited = counter("ratelimit_refused_total", "Requests beyond a quota, by its name.", "policy")
        self.events = counter("app_events_total", "Events of the audit trail.", "event", "outcome")
        self.degraded = gauge("ratelimit_degraded", "1 while limits are counted in each process alone.", "livemax")
        self.replica_lag = gauge("database_replica_lag_seconds", "How far the replica is behind at most.", "livemax")
        self.replica_reads = counter("database_replica_reads_total", "Reads that the replica answered.")
        self.jobs = counter("jobs_total", "Attempts of jobs and timetabled tasks.", "task", "outcome")
        self.job_seconds = histogram(
            "jobs_duration_seconds", "How long jobs and timetabled tasks took.", _JOB_SECONDS, "task"
        )
        self.by_request: dict[tuple[str, str, int], tuple[Any, Any]] = {}


_pid = os.getpid()
"""Asked for at each count: the system takes longer to say than all the rest of it."""


def _our_pid() -> int:
    return _pid


def _renew() -> None:
    global _pid  # noqa: PLW0603 -- a forked process has another
    _pid = os.getpid()


os.register_at_fork(after_in_child=_renew)

_on: _Metrics | None = None
_folder: Path | None = None
_registry: "CollectorRegistry | None" = None
_figures: list[Figures] = []


def start(folder: Path | None = None) -> None:
    """Count from now on: in files of this folder, which all workers share, or in this process alone.

    Workers that are forked later go on counting by themselves.
    """
    global _on, _folder, _registry  # noqa: PLW0603 -- what this process counts into
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with metrics_files.gathered(folder):  # though nobody asks, the folder does not grow with every worker
            config.publish("PROMETHEUS_MULTIPROC_DIR", str(folder))
    if _on is not None and _folder == folder:
        return
    from prometheus_client import CollectorRegistry, values  # noqa: PLC0415 -- as above

    vars(values)["MmapedDict"] = metrics_files.opened
    values.ValueClass = values.MultiProcessValue(_our_pid) if folder else values.MutexValue  # type: ignore[no-untyped-call]
    _folder, _registry = folder, CollectorRegistry()
    _on = _Metrics(_registry)


def stop() -> None:
    """Count no more, and forget what this process counted by itself."""
    global _on, _registry  # noqa: PLW0603 -- as in start
    _on = _registry = None


def clear(folder: Path) -> None:
    """Forget what an earlier run counted: Prometheus knows how to read a counter that begins anew."""
    for pattern in ("*.db", "*.tmp"):
        for path in folder.glob(pattern):
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


def cache(name: str, *, hit: bool) -> None:
    """Count an answer of the cache of this name: one that was kept, or one that was computed."""
    if _on is not None:
        (_on.hits if hit else _on.misses).labels(name).inc()


def guess_refused(counter: str) -> None:
    """Count a guess that was not checked, because this counter of guesses is full."""
    if _on is not None:
        _on.throttled.labels(counter).inc()


def request_refused(policy: str) -> None:
    """Count a request beyond the quota of this name."""
    if _on is not None:
        _on.limited.labels(policy).inc()


def limiter(*, degraded: bool) -> None:
    """Note whether this process counts traffic alone."""
    if _on is not None:
        _on.degraded.set(1 if degraded else 0)


def replica(*, lag: float | None) -> None:
    """Note how many seconds the replica is behind at most, None while it does not answer."""
    if _on is not None:
        _on.replica_lag.set(math.inf if lag is None else lag)


def replica_read() -> None:
    """Count a read that the replica answered."""
    if _on is not None:
        _on.replica_reads.inc()


def job(task: str, outcome: str, seconds: float | None = None) -> None:
    """Count an attempt of a job, or a run of a task of the timetable, and how long it took if it ran at all."""
    if _on is not None:
        _on.jobs.labels(task, outcome).inc()
        if seconds is not None:
            _on.job_seconds.labels(task).observe(seconds)


def exposition() -> bytes:
    """Return everything in the text format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 -- as above
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 -- as above

    if _folder is None:
        return generate_latest(_registry or CollectorRegistry()) + _written(_read_figures())
    with metrics_files.gathered(_folder) as files:
        counted = list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]
    return _written(counted) + _written(_read_figures())


def _written(metrics: "Iterable[Metric]") -> bytes:
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 -- as above

    class Reader:
        def collect(self) -> "Iterable[Metric]":
            return metrics

    registry = CollectorRegistry()
    registry.register(Reader())
    return generate_latest(registry)


def _read_figures() -> "list[Metric]":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 -- as above

    found: list[Metric] = []
    for figure in (figure for read in _figures for figure in read()):
        labels = list(figure.values[0][0]) if figure.values else []
        family = GaugeMetricFamily(figure.name, figure.meaning, labels=labels)
        for named, value in figure.values:
            family.add_metric([named[label] for label in labels], value)
        found.append(family)
    return found
