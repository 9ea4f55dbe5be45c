"""What tests of traffic limits share."""

from typing import Any

from tests.api import Answer, Api
from tests.world import World

VISITS, ME, LOGIN = "/api/v1/visits", "/auth/me", "/auth/login"
NOBODY = {"username": "nobody", "password": "x"}
RATE_HEADERS = {
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
}


def serving(world: World, **quotas: Any) -> Api:
    """Serve with traffic limits, which are off in other tests."""
    return Api(world.with_settings(ratelimit_scale=1, **quotas))


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.status_code for answer in answers]


def rates(answer: Answer) -> dict[str, str]:
    """Return what the headers say of quotas."""
    return {name: value for name, value in answer.headers if name in RATE_HEADERS}
