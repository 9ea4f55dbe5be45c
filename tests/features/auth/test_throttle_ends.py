from app.infra import db
from app.main import features
from tests.api import Api
from tests.conftest import Clock
from tests.features.auth.looks import buckets


class TestOldCounters:
    def test_are_dropped_at_the_start(self, api: Api, clock: Clock) -> None:
        api.post("/auth/login", {"username": "nobody-here", "password": "wrong"})
        assert buckets()
        clock.advance(days=1)

        with db.unit_of_work():
            features.bootstrap()

        assert not buckets()
