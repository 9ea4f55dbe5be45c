"""A fault of the real service reaches chat and pager through the real Prometheus and Alertmanager, and its end too."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import live, servers
from tests.deploy import alerting, dashboards, rules
from tests.serving.http import send, send_json
from tests.world import PASSWORD, SERVICES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="Prometheus belongs to the services world"),
    pytest.mark.skipif(alerting.are_missing(), reason="prometheus or prometheus-alertmanager is missing"),
    pytest.mark.skipif(servers.find_redis() is None, reason="no Redis server found to take away"),
]

NOTHING_YET = {
    "application: Failures of our own",
    "business: Leaving and coming back",
    "business: Ways to sign in",
    "business: Changes of accounts",
    "security: Locks and reuse",
    "security: Refusals",
    "security: Second factors",
    "security: Secrets",
    "security: Data that left",
    "security: Guesses refused",
    "security: Traffic refused",
    "infrastructure: Newest backup",
    "infrastructure: Last restore on trial",
    "infrastructure: Timetable, failures",
}
"""Panels of events that do not happen here."""


@dataclass
class Scene:
    """The service, what it stands on, who watches it, and who is told."""

    service: ExitStack
    url: str
    settings: dict[str, str]
    var: Path
    redis: servers.Server
    prometheus: alerting.Prometheus
    receiver: alerting.Receiver

    def start(self) -> None:
        self.service.enter_context(live.running(self.var, **self.settings))

    def ask(self) -> bool:
        """Have the service answer, as users and balancers do, which is when it looks after Redis."""
        for path in ("/readiness", "/"):
            send(f"{self.url}{path}")
        return True

    def is_calm(self) -> bool:
        """Tell whether Prometheus sees the service and nothing is amiss, nor anybody told that it were."""
        seen = self.prometheus.query('up{job="carboy"} == 1')
        return bool(seen) and not self.prometheus.query("ALERTS") and self.receiver.is_quiet

    def told(self) -> str:
        return f"{self.receiver.chat}\n{self.receiver.pager}\n{self.prometheus.query('ALERTS')}"

    def wait_for(self, status: str, alert: str) -> None:
        live.wait_until(lambda: self.ask() and self.receiver.was_in_chat(status, alert), self.told)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, port, metrics = tmp_path_factory.mktemp("alerting"), live.free_port(), live.free_port()
    (folder / "service").mkdir()
    settings = {"PORT": str(port), "METRICS_PORT": str(metrics), "RATELIMIT_SCALE": "1000", "WORKERS": "1"}
    with ExitStack() as around:
        redis = around.enter_context(servers.redis())
        settings["REDIS_URL"] = redis.url
        service = around.enter_context(ExitStack())
        receiver = around.enter_context(alerting.receiving())
        service.enter_context(live.running(folder / "service", **settings))
        watch = alerting.watching(folder, target=f"127.0.0.1:{metrics}", receiver=receiver)
        prometheus = around.enter_context(watch)
        url = f"http://127.0.0.1:{port}"
        yield Scene(service, url, settings, folder / "service", redis, prometheus, receiver)


@pytest.fixture(autouse=True)
def calm(scene: Scene) -> None:
    live.wait_until(lambda: scene.ask() and scene.is_calm(), scene.told)
    scene.receiver.forget()


def summary(alert: str) -> str:
    return str(rules.alerts()[alert]["annotations"]["summary"])


def test_a_warning_reaches_chat_alone_and_ends_there(scene: Scene) -> None:
    scene.redis.stop()

    scene.wait_for("firing", "RateLimiterDegraded")

    scene.redis.start()
    scene.wait_for("resolved", "RateLimiterDegraded")
    assert not scene.receiver.was_paged("trigger", summary("RateLimiterDegraded"))


def test_a_critical_alert_reaches_the_pager_as_well_and_ends_in_both(scene: Scene) -> None:
    down = summary("CarboyDown")
    scene.service.close()

    live.wait_until(lambda: scene.receiver.was_paged("trigger", down), scene.told)
    live.wait_until(lambda: scene.receiver.was_in_chat("firing", "CarboyDown"), scene.told)

    scene.start()
    live.wait_until(lambda: scene.receiver.was_paged("resolve", down), scene.told)
    scene.wait_for("resolved", "CarboyDown")


def test_every_query_of_the_dashboards_is_understood_and_most_find_something(scene: Scene) -> None:
    for password in (PASSWORD, "wrong"):
        send_json(f"{scene.url}/auth/register", {"username": "anybody", "email": "a@carboy.test", "password": PASSWORD})
        send_json(f"{scene.url}/auth/login", {"username": "anybody", "password": password})

    live.wait_until(lambda: scene.ask() and empty(scene) <= NOTHING_YET, lambda: str(empty(scene) - NOTHING_YET))

    for query in dashboards.queries():
        scene.prometheus.query(query.expression)


def empty(scene: Scene) -> set[str]:
    """Return the panels a query of which finds nothing."""
    return {query.place for query in dashboards.of_panels() if not scene.prometheus.query(query.expression)}
