import json

import pytest

from tests.web.quotas import rates, serving, statuses
from tests.world import World

pytestmark = pytest.mark.usefixtures("_mid_window")

AWAY = "redis://127.0.0.1:1/0"
KEYS = "/.well-known/jwks.json"


class TestRedisAway:
    """While Redis is away each process counts for itself, and holds itself to its part."""

    def test_leaves_each_worker_its_part(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="9/minute", workers=3, redis_url=AWAY)

        answers = [api.get(KEYS) for _ in range(4)]

        assert statuses(answers) == [200, 200, 200, 429]
        assert rates(answers[0])["RateLimit-Policy"] == '"anonymous";q=9;w=60'
        assert rates(answers[0])["RateLimit"] == '"anonymous";r=2;t=40'

    def test_leaves_each_worker_of_each_instance_its_part(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="9/minute", workers=3, replicas=3, redis_url=AWAY)

        assert statuses([api.get(KEYS), api.get(KEYS)]) == [200, 429]

    def test_leaves_at_least_one_request(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="2/minute", workers=8, redis_url=AWAY)

        assert statuses([api.get(KEYS), api.get(KEYS)]) == [200, 429]

    def test_is_warned_of_once(self, world: World, lines: list[bytes]) -> None:
        api = serving(world, redis_url=AWAY)

        answers = [api.get(KEYS) for _ in range(5)]

        warnings = [json.loads(line) for line in lines if b'"level":"WARNING"' in line]
        assert statuses(answers) == [200] * 5
        assert [warning["message"] for warning in warnings] == ["redis does not answer; going on without it"]
