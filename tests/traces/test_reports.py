"""What an endpoint that speaks Sentry's protocol, a process of its own, is told."""

import pytest

from app.core import origin
from app.core.errors import Unavailable
from app.core.origin import Origin
from app.core.version import VERSION
from app.infra import db, queue, reporting
from tests.api import Api
from tests.receiver import Receiver
from tests.world import World

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRETS = {
    "body": "Body-Horse-1-Battery",
    "cookie": "Cookie-Horse-2-Battery",
    "header": "Header-Horse-3-Battery",
    "query": "Query-Horse-4-Battery",
    "text": "ada.lovelace@people.example",
    "variable": "Variable-Horse-5-Battery",
    "cause": "Cause-Horse-6-Battery",
    "address": "203.0.113.77",
}

pytestmark = pytest.mark.slow


def fail(**_: object) -> None:
    held = {"password": SECRETS["variable"]}
    try:
        held.pop(SECRETS["cause"])
    except KeyError as error:
        raise RuntimeError(f"mail to {SECRETS['text']} of {len(held)}") from error


def unavailable(**_: object) -> None:
    raise Unavailable


def ask(world: World) -> int:
    """Send a secret wherever one may be sent, to a view that fails."""
    answer = Api(world.app, address=SECRETS["address"]).post(
        f"/auth/login?token={SECRETS['query']}",
        {"username": "ada", "password": SECRETS["body"]},
        headers={
            "X-Request-ID": "request-of-ada",
            "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
            "Authorization": f"Bearer {SECRETS['header']}",
            "Cookie": f"session={SECRETS['cookie']}",
        },
    )
    reporting.stop()
    return answer.status_code


@pytest.fixture
def broken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.features.auth.service.login", fail)


class TestRequest:
    @pytest.mark.usefixtures("broken")
    def test_that_fails_unforeseen_is_reported_by_where_and_under_which_id(
        self, world: World, sentry: Receiver
    ) -> None:
        status = ask(world)

        assert status == 500
        (event,) = sentry.events
        assert event["tags"] == {
            "request_id": "request-of-ada",
            "trace_id": TRACE,
            "method": "POST",
            "route": "/auth/login",
        }
        assert (event["release"], event["environment"]) == (f"carboy@{VERSION}", "development")
        kinds = [one["type"] for one in event["exception"]["values"]]
        last = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
        assert kinds == ["KeyError", "RuntimeError"]
        assert (last["function"], last["module"]) == ("fail", "tests.traces.test_reports")

    @pytest.mark.usefixtures("broken")
    def test_gives_none_of_its_secrets_away(self, world: World, sentry: Receiver) -> None:
        ask(world)

        assert len(sentry.events) == 1
        # The code around the line that raised is told; it says where the secrets come from, and none of them.
        assert [kind for kind, secret in SECRETS.items() if secret.encode() in sentry.text] == []

    @pytest.mark.usefixtures("broken")
    def test_tells_nothing_that_is_not_on_the_list(self, world: World, sentry: Receiver) -> None:
        ask(world)

        (event,) = sentry.events
        frames = [frame for one in event["exception"]["values"] for frame in one["stacktrace"]["frames"]]
        assert not event.keys() & {"user", "request", "extra", "server_name", "breadcrumbs", "modules", "contexts"}
        assert not {name for frame in frames for name in frame} & {"vars", "abs_path"}

    def test_that_is_refused_or_met_a_neighbour_away_is_not(
        self, world: World, sentry: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = ask(world)
        monkeypatch.setattr("app.features.auth.service.login", unavailable)
        away = ask(world)
        missing = Api(world.app).get("/of/no/such-thing").status_code
        reporting.stop()

        assert (refused, away, missing) == (401, 503, 404)
        assert sentry.taken == []


class TestTask:
    def test_that_fails_is_reported_as_the_work_of_who_asked(
        self, world: World, sentry: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(queue._tasks, "test.fails", queue.Task("test.fails", fail))

        queue.perform("test.fails", {"request_id": "request-of-ada", "trace_id": TRACE, "user_id": 7})
        reporting.stop()

        (event,) = sentry.events
        assert event["tags"] == {"request_id": "request-of-ada", "trace_id": TRACE, "task": "test.fails"}
        assert event["transaction"] == "test.fails"

    def test_that_met_a_neighbour_away_is_not(
        self, world: World, sentry: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(queue._tasks, "test.away", queue.Task("test.away", unavailable))

        queue.perform("test.away")
        reporting.stop()

        assert sentry.taken == []


class TestCommit:
    def test_is_reported_when_what_follows_it_fails(self, world: World, sentry: Receiver) -> None:
        token = origin.begin(Origin("request-of-ada"))
        with db.unit_of_work():
            db.after_commit(fail)
        origin.end(token)
        reporting.stop()

        (event,) = sentry.events
        assert event["tags"]["request_id"] == "request-of-ada"
