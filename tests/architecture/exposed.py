"""What the running service exposes to Prometheus, for the tests that hold documents and rules to it."""

import re
from dataclasses import dataclass

from app.features.jobs import service as jobs
from app.infra import metrics
from tests.api import Api, a_user
from tests.world import World

TOKEN = "a-token-for-prometheus"


@dataclass(frozen=True, slots=True)
class Exposed:
    """One metric: its type, the names of its samples, and the values of each of its labels."""

    kind: str
    samples: frozenset[str]
    labels: dict[str, frozenset[str]]


def read(world: World) -> dict[str, Exposed]:
    """Serve a little of everything, and return every metric that is exposed then."""
    app = world.with_settings(metrics_token=TOKEN)
    metrics.start()
    try:
        metrics.redis_command("success")
        metrics.cache("statistics", hit=True)
        metrics.cache("statistics", hit=False)
        metrics.guess_refused("pair")
        metrics.request_refused("default")
        jobs.run_due()
        person = a_user()
        Api(app).as_(person)
        Api(app).post("/auth/login", {"username": person.username, "password": "wrong"})
        for path in ("/nowhere", "/health", "/healthz", "/readiness", "/metrics"):
            Api(app, TOKEN).get(path)
        return parse(Api(app, TOKEN).get("/metrics").text)
    finally:
        metrics.stop()


def parse(text: str) -> dict[str, Exposed]:
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    samples: dict[str, set[str]] = {name: set() for name in kinds}
    labels: dict[str, dict[str, set[str]]] = {name: {} for name in kinds}
    for sample, pairs in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        name = next(name for name in sorted(kinds, key=len, reverse=True) if sample.startswith(name))
        samples[name].add(sample)
        for label, value in re.findall(r'(\w+)="([^"]*)"', pairs):
            labels[name].setdefault(label, set()).add(value)
    return {
        name: Exposed(
            kind,
            frozenset(samples[name]),
            {label: frozenset(values) for label, values in labels[name].items()},
        )
        for name, kind in kinds.items()
        if not name.endswith("_created")
    }
