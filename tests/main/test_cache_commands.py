"""``flask cache …``"""

import pytest
from click.testing import Result
from flask.testing import FlaskCliRunner

from app.infra import redis
from tests.infra.adder import Adder
from tests.live import free_port
from tests.world import SERVICES, World


def clear(world: World, **changed: object) -> Result:
    return FlaskCliRunner(world.with_settings(**changed)).invoke(args=["cache", "clear"])


class TestClear:
    @pytest.mark.skipif(not SERVICES, reason="there is no Redis to clear in the embedded world")
    def test_forgets_what_is_kept_on_redis_and_nothing_else(self, world: World) -> None:
        adder = Adder()
        adder.add(2)
        redis.ask(lambda client: client.set("carboy:visits:total", "not ours"))

        run = clear(world)
        adder.add(2)

        assert (run.exit_code, run.stdout) == (0, "Forgot 1 values.\n")
        assert adder.runs[2] == 2
        assert redis.ask(lambda client: client.get("carboy:visits:total")) == b"not ours"

    def test_says_that_there_is_nothing_to_clear_without_redis(self, world: World) -> None:
        run = clear(world, redis_url="")

        assert run.exit_code == 1
        assert "each process remembers by itself" in run.stderr

    def test_says_that_redis_does_not_answer(self, world: World) -> None:
        run = clear(world, redis_url=f"redis://127.0.0.1:{free_port()}/0")

        assert (run.exit_code, run.stderr) == (1, "Error: Redis does not answer.\n")
