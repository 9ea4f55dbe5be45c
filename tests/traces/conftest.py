from collections.abc import Iterator
from pathlib import Path

import pytest

from app.infra import tracing
from tests.receiver import Receiver, receiver
from tests.world import World


@pytest.fixture
def otlp(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path) as started:
        yield started


@pytest.fixture
def traced(world: World, otlp: Receiver) -> Iterator[Receiver]:
    """The application with traces, in this process; they are sent when the test says ``tracing.stop()``."""
    world.with_settings(otel_exporter_otlp_endpoint=otlp.url, service_name="carboy-under-test")
    tracing.start()
    yield otlp
    tracing.stop()
    world.come_back()


@pytest.fixture
def sentry(world: World, otlp: Receiver) -> Iterator[Receiver]:
    """The application with reports; they are sent when the test says ``reporting.stop()``."""
    world.with_settings(sentry_dsn=otlp.dsn)
    yield otlp
    world.come_back()
