"""What the layer around each view costs above bare Flask, in processor time, and a few parts of it.

In process, without a server, a socket or a database.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import orjson
from flask import Flask, Response, request
from pydantic import TypeAdapter
from werkzeug.test import EnvironBuilder

from app.core import clock
from app.core.config import load
from app.core.paging import Page, PageRequest
from app.core.passwords import Hasher
from app.features.accounts.service import Profile, UserOut
from app.features.auth.schemas import Registration
from app.infra import logs
from app.main.factory import create_app
from app.web.application import Routes
from app.web.caller import public
from app.web.limits import exempt
from app.web.paging import paged
from app.web.schemas import returns, takes
from benchmarks import machine

_ROUNDS, _REQUESTS = 11, 500
_ANSWER = b'{"status":"healthy"}'
_BODY = (
    b'{"username":"ada","email":"ada@people.example","password":"Correct-Horse-7-Battery",'
    b'"first_name":"Ada","last_name":"Lovelace"}'
)
_USERS = TypeAdapter(list[UserOut])

Call = Callable[[], object]


def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog="python -m benchmarks layer", description=__doc__)


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="carboy-layer-") as folder:
        costs = _measure(_calls(_bare(), _ours(Path(folder))))
    bare = costs["bare"]
    print(f"The request layer: processor microseconds above bare Flask's own {bare:.0f}")
    print(f"  id, origin, headers, log line, unit of work  {costs['layer'] - bare:6.1f}")
    print(f"  and a limit counted in the process           {costs['limited'] - bare:6.1f}  goal: at most 25")
    print("\nDeclared shapes: microseconds above a view without any, here and with plain pydantic in bare Flask")
    body = costs["body"] - costs["posted"], costs["plain body"] - costs["bare posted"]
    page = costs["page"] - costs["layer"], costs["plain page"] - bare
    for title, (ours, plain) in {"body of a registration": body, "page of 20 users": page}.items():
        print(f"  {title:<24} {ours:6.1f} and {plain:5.1f}: {ours / plain:.2f} times  goal: at most 1.3")
    _print_parts(_USERS.dump_python(_USERS.validate_python(_people()), mode="json"))
    return 0


def _print_parts(page: list[object]) -> None:
    """Print what is dearest in a sign-in, and what the library for JSON saves."""
    hasher = Hasher(memory_kib=19456, time_cost=2)
    kept = hasher.hash("Correct-Horse-7-Battery")
    hashing = _least(lambda: hasher.verify("Correct-Horse-7-Battery", kept), 5)
    ours, plain = (_least(partial(dumps, page), _REQUESTS) for dumps in (orjson.dumps, json.dumps))
    print(f"\nA hashing takes {hashing / 1000:.1f} ms of a core")
    print(f"A page of 20 users as JSON takes {ours:.1f} µs, {plain / ours:.0f} times that with the standard library")


def _least(call: Call, times: int) -> float:
    """Return the least that a call took in many rounds, in microseconds of this process: hashing has threads."""
    return min(machine.microseconds(call, times, time.process_time) for _ in range(_ROUNDS))


def _measure(calls: dict[str, Call]) -> dict[str, float]:
    """Return the least that each call took in many rounds, turn about, in microseconds of this thread."""
    costs = dict.fromkeys(calls, float("inf"))
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            costs[name] = min(costs[name], machine.microseconds(call, _REQUESTS))
    return costs


def _calls(bare: Flask, ours: Flask) -> dict[str, Call]:
    return {
        "bare": _call(bare, "/nothing"),
        "bare posted": _call(bare, "/nothing", _BODY),
        "plain body": _call(bare, "/body", _BODY),
        "plain page": _call(bare, "/page"),
        "layer": _call(ours, "/bench/nothing"),
        "limited": _call(ours, "/bench/limited"),
        "posted": _call(ours, "/bench/nothing", _BODY),
        "body": _call(ours, "/bench/body", _BODY),
        "page": _call(ours, "/bench/page"),
    }


def _call(app: Flask, path: str, body: bytes = b"") -> Call:
    """Return one request as a call, after asserting that it succeeds."""
    builder = EnvironBuilder(
        path=path,
        method="POST" if body else "GET",
        content_type="application/json" if body else None,
        environ_base={"REMOTE_ADDR": "127.0.0.1"},
    )
    environ = {**builder.get_environ(), "CONTENT_LENGTH": str(len(body))}

    answered = _Answered()

    def call() -> bytes:
        return b"".join(app.wsgi_app({**environ, "wsgi.input": BytesIO(body)}, answered))

    assert call(), path
    assert answered.status == "200 OK", f"{path}: {answered.status}"
    return call


class _Answered:
    """What a WSGI server hears of an answer (PEP 3333)."""

    status = ""

    def __call__(
        self, status: str, _headers: list[tuple[str, str]], _exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        self.status = status
        return len


def _bare() -> Flask:
    """Return Flask with nothing around it, and pydantic used by hand."""
    app, people = Flask("bare"), _people()

    @app.route("/nothing", methods=["GET", "POST"])
    def nothing() -> Response:
        return Response(_ANSWER, mimetype="application/json")

    @app.post("/body")
    def body() -> Response:
        Registration.model_validate_json(request.get_data())
        return Response(_ANSWER, mimetype="application/json")

    @app.get("/page")
    def page() -> Response:
        return Response(_USERS.dump_json(_USERS.validate_python(people)), mimetype="application/json")

    return app


def _ours(var: Path) -> Flask:
    """Return the application with views that do nothing but what they declare. Its log goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    app = create_app(load(env_file=None, var_dir=var, ratelimit_scale=10_000, redis_url="", database_url=""))
    logs.write = partial(_write, nowhere)
    app.register_blueprint(_views())
    return app


def _write(file: int, line: bytes) -> None:
    os.write(file, line)


def _views() -> Routes:
    routes, people = Routes("bench", __name__), _people()

    @routes.get("/bench/nothing")
    @routes.post("/bench/nothing", endpoint="posted")
    @public
    @exempt
    def nothing() -> Response:
        return Response(_ANSWER, mimetype="application/json")

    @routes.get("/bench/limited")
    @public
    def limited() -> Response:
        return Response(_ANSWER, mimetype="application/json")

    @routes.post("/bench/body")
    @public
    @exempt
    @takes(Registration)
    def body(body: Registration) -> Response:  # noqa: ARG001 -- reading it is what is measured
        return Response(_ANSWER, mimetype="application/json")

    @routes.get("/bench/page")
    @public
    @exempt
    @paged
    @returns(list[UserOut])
    def page() -> Page[Profile]:
        return Page(people, PageRequest(), has_next=True, next_cursor="WyJpZCIsMjBd", total=100_000)

    return routes


def _people() -> list[Profile]:
    now = clock.now()
    return [
        Profile(
            id=number,
            username=f"ada.lovelace.{number}",
            email=f"ada.lovelace.{number}@seed.example",
            email_verified=True,
            first_name="Ada",
            last_name="Lovelace",
            locale=None,
            is_active=True,
            mfa_enabled=False,
            roles=["user"],
            version=1,
            created_at=now,
            updated_at=now,
            deleted_at=None,
        )
        for number in range(20)
    ]
