"""What a real server does beside requests: it sends mail, and ends in order while it does."""

import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from app.infra import migrations
from tests.features.mail.conftest import SECRET, rows, send
from tests.live import running, wait_until
from tests.migrations.databases import empty_database
from tests.postbox import Postbox, postbox
from tests.serving.conftest import Kind
from tests.world import World

pytestmark = [pytest.mark.serving, pytest.mark.slow]


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as started:
        yield started


class TestServer:
    def test_sends_mail_and_stops_without_repeating_any(
        self, world: World, kind: Kind, box: Postbox, tmp_path: Path
    ) -> None:
        box.on_mail = lambda: Event().wait(0.05)
        with empty_database(tmp_path) as url:
            world.with_settings(database_url=url, secret_key=(SECRET,))
            migrations.upgrade()
            for _ in range(40):
                send()

            given = {"SECRET_KEY": SECRET, "PUBLIC_URL": "http://carboy.test", "MAIL_URL": box.url, "WORKERS": "2"}
            with running(tmp_path, kind, DATABASE_URL=url, **given) as server:
                wait_until(lambda: len(box.received) >= 3, lambda: server.output)
                code = server.stop(signal.SIGTERM)
            sent = {f"<{row.id}@carboy.test>" for row in rows() if row.status == "sent"}
            world.reset()

        assert code == 0
        assert 3 <= len(box.received) < 40
        assert sorted(box.ids) == sorted(sent)
        assert "Traceback" not in server.output
