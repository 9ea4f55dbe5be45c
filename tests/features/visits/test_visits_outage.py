"""Whatever is away, no page fails for the sake of counting it."""

import pytest

from tests.api import Api
from tests.live import free_port
from tests.world import World

VISITS = "/api/v1/visits"
PAGE = {"Accept": "text/html"}


@pytest.fixture
def without_redis(world: World) -> Api:
    return Api(world.with_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))


@pytest.fixture
def without_database(world: World) -> Api:
    return Api(world.with_settings(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none"))


@pytest.fixture
def without_both(world: World) -> Api:
    port = free_port()
    return Api(
        world.with_settings(
            database_url=f"postgresql://nobody@127.0.0.1:{port}/none", redis_url=f"redis://127.0.0.1:{port}/0"
        )
    )


@pytest.fixture(params=["without_redis", "without_database", "without_both"])
def broken(request: pytest.FixtureRequest) -> Api:
    found: Api = request.getfixturevalue(request.param)
    return found


class TestPage:
    def test_is_shown(self, broken: Api) -> None:
        answers = [broken.get("/", headers=PAGE) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert "is running" in answers[1].text
        assert "Visits" not in answers[1].text

    def test_answers_programs(self, broken: Api) -> None:
        answer = broken.get("/")

        assert answer.status_code == 200
        assert answer.result is None

    def test_takes_a_visit(self, broken: Api) -> None:
        answer = broken.post(VISITS, {"page": "/prices"})

        assert answer.status_code == 201
        assert answer.result is None


class TestNumbers:
    def test_are_said_to_be_out_of_reach(self, broken: Api) -> None:
        answer = broken.get(VISITS)

        assert answer.status_code == 503
        assert answer.code == "UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) > 0

    def test_are_complete_once_redis_is_back(self, world: World) -> None:
        before = Api(world.app)
        before.get("/")
        away = Api(world.with_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
        for _ in range(3):
            away.post(VISITS, {"page": "/prices"})

        shown = Api(world.with_settings()).get(VISITS).result

        assert shown["total"] == 4
        assert {page["page"]: page["today"] for page in shown["pages"]} == {"/": 1, "/prices": 3}
