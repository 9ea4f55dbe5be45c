"""A trace that goes on in a real Celery worker."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.infra import queue, tracing
from tests import servers
from tests.api import Api
from tests.features.mail.conftest import SECRET, rows
from tests.live import wait_until
from tests.main.test_worker import celery
from tests.receiver import Receiver
from tests.world import PASSWORD, SERVICES, World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="Celery belongs to the services world"),
    pytest.mark.skipif(servers.find_redis() is None, reason="no Redis server found to be the broker"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:kombu", "ignore::DeprecationWarning:celery"),
]

PRODUCER, CONSUMER = 4, 5


@pytest.fixture
def broker(world: World, otlp: Receiver) -> Iterator[servers.Server]:
    with servers.redis() as started:
        world.with_settings(secret_key=(SECRET,), celery_broker_url=started.url, otel_exporter_otlp_endpoint=otlp.url)
        tracing.start()
        yield started
        tracing.stop()
        queue.connect(world.settings)


class TestWorker:
    def test_goes_on_with_the_trace_of_the_request(
        self, world: World, otlp: Receiver, broker: servers.Server, tmp_path: Path
    ) -> None:
        person = {"username": "grace", "email": "grace@navy.test", "password": PASSWORD}
        given = {"CELERY_BROKER_URL": broker.url, "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "SENTRY_DSN": otlp.dsn}

        with celery(world, tmp_path, "worker", "--concurrency", "2", **given) as log:
            Api(world.app).post("/auth/register", person)
            tracing.stop()
            wait_until(lambda: "sent" in [row.status for row in rows()], log.read_text)

        (request,) = otlp.named("POST /auth/register")
        (sending,) = [one for one in otlp.named("send mail.deliver") if one["parent"] == request["span_id"]]
        (working,) = [one for one in otlp.named("process mail.deliver") if one["parent"] == sending["span_id"]]
        assert {one["trace_id"] for one in (request, sending, working)} == {request["trace_id"]}
        assert (sending["kind"], working["kind"]) == (PRODUCER, CONSUMER)
        assert [one for one in otlp.spans if one["parent"] == working["span_id"] and one["attributes"]["db.query.text"]]
        assert re.search(rf'"trace_id":"{request["trace_id"]}"', log.read_text())
        assert b"grace@navy" not in otlp.text
