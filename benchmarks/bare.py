"""The least that the same answers cost: a WSGI function, the driver, orjson; no framework, log, limit or header.

It checks the same signature, sends the same statements and answers the same bytes as the service.
"""

import base64
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
import uuid_utils
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server
from joserfc import jws
from joserfc.jwk import ECKey

from benchmarks import bare_login, bare_sql
from benchmarks.bare_sql import Database

Environ = dict[str, Any]

SETUP = "BARE_SETUP"
"""The variable that holds what it must know, as JSON: database, issuer, keys, service, version, count_cap, threads."""

_CACHED_TOKENS = 4096

_setup = orjson.loads(os.environ.get(SETUP, "{}"))
_keys = {jwk["kid"]: ECKey.import_key(jwk) for jwk in _setup.get("keys", ())}
_verified: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
_lock = threading.Lock()
_here = threading.local()


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request."""
    body = _VIEWS[environ["PATH_INFO"]](environ)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def serve() -> None:
    """Serve as the service is served."""
    Server(
        "benchmarks.bare:app",
        address="127.0.0.1",
        port=int(os.environ["PORT"]),
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=_setup["threads"],
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()


def _health(_environ: Environ) -> bytes:
    return orjson.dumps(
        {
            "status": "healthy",
            "timestamp": _written(datetime.now(UTC)),
            "version": _setup["version"],
            "service": _setup["service"],
        }
    )


def _me(environ: Environ) -> bytes:
    database = _database()
    sid_and_time, user, roles, permissions = _identify(environ, database)
    data = _user(user, roles, database)
    data["locale"] = user[6]
    data["permissions"] = sorted(permissions)
    data["mfa_enabled"] = bool(sid_and_time[2])
    data["mfa_required"] = False
    data["auth_time"] = database.wire(sid_and_time[1])
    return _answer(data)


def _users(environ: Environ) -> bytes:
    database = _database()
    permissions = _identify(environ, database)[3]
    assert "users:read" in permissions
    asked = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    size, cursor = int(asked["per_page"]), asked.get("cursor")
    if cursor:
        padded = cursor + "=" * (-len(cursor) % 4)
        after = orjson.loads(base64.urlsafe_b64decode(padded))[1]
        rows = database.run("page_after", after=after, limit=size + 1)
    else:
        rows = database.run("page", limit=size + 1)
    items, has_next = rows[:size], len(rows) > size
    data = []
    for row in items:
        user = _user(row, database.parsed(row[12]) or [], database)
        user["deleted_at"] = database.wire(row[11])
        data.append(user)
    following = (
        base64.urlsafe_b64encode(orjson.dumps(["users id", items[-1][0]])).rstrip(b"=").decode() if has_next else None
    )
    if cursor is not None:
        return _answer(data, pagination={"next_cursor": following, "has_next": has_next})
    return _answer(data, pagination=_numbered(database, size, has_next=has_next, following=following))


def _numbered(database: Database, size: int, *, has_next: bool, following: str | None) -> dict[str, object]:
    cap = _setup["count_cap"]
    counted = database.run("count", limit=cap + 1)[0][0]
    total = min(counted, cap)
    pagination = {"page": 1, "per_page": size, "total_pages": -(-total // size), "total_items": total}
    if counted > cap:
        pagination["total_exact"] = False
    return {**pagination, "has_next": has_next, "has_prev": False, "next_cursor": following}


def _login(environ: Environ) -> bytes:
    database = _database()
    asked = orjson.loads(environ["wsgi.input"].read())
    request_id = str(uuid_utils.uuid7())
    row, pair = bare_login.login(database, _setup["issuer"], asked, environ["REMOTE_ADDR"], request_id)
    pair["user"] = _user(row, database.parsed(row[12]) or [], database)
    return _answer(pair, "Signed in.")


def _identify(environ: Environ, database: Database) -> tuple[tuple[Any, ...], tuple[Any, ...], list[str], set[str]]:
    """Return session, user, roles and permissions of who sends this."""
    claims = _claims(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "))
    now = datetime.now(UTC)
    assert claims["iss"] == _setup["issuer"]
    assert claims["aud"] == "api"
    assert claims["exp"] > now.timestamp()
    rows = database.run("identity", sid=database.key(UUID(claims["sid"])), now=database.moment(now))
    first = rows[0]
    assert str(first[2]) == claims["sub"]
    roles = [row[14] for row in rows if row[14] is not None]
    permissions = {name for row in rows for name in database.parsed(row[15]) or ()}
    return (*first[:2], first[16]), first[2:14], roles, permissions


def _claims(token: str) -> dict[str, Any]:
    """Return the claims; a signature that was checked once is remembered, as in the service."""
    name = sha256(token.encode()).digest()
    found = _verified.get(name)
    if found is None:
        header = orjson.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        assert header["typ"] == "at+jwt"
        checked = jws.deserialize_compact(token.encode(), _keys[header["kid"]], algorithms=["ES256"])
        found = cast("dict[str, Any]", orjson.loads(checked.payload))
        with _lock:
            _verified[name] = found
            if len(_verified) > _CACHED_TOKENS:
                _verified.popitem(last=False)
    return found


def _user(row: tuple[Any, ...], roles: list[str], database: Database) -> dict[str, Any]:
    return {
        "id": row[0],
        "username": row[1],
        "email": row[2],
        "email_verified": row[3] is not None,
        "first_name": row[4],
        "last_name": row[5],
        "is_active": bool(row[7]),
        "roles": sorted(roles),
        "created_at": database.wire(row[9]),
        "updated_at": database.wire(row[10]),
    }


def _answer(data: object, message: str = "OK", pagination: object = None) -> bytes:
    answer = {"status": "success", "data": data, "message": message}
    if pagination is not None:
        answer["pagination"] = pagination
    answer["metadata"] = {"timestamp": _written(datetime.now(UTC)), "request_id": str(uuid_utils.uuid7())}
    return orjson.dumps(answer)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def _database() -> Database:
    """Return this thread's connection."""
    if not hasattr(_here, "database"):
        _here.database = bare_sql.connect(_setup["database"])
    return cast("Database", _here.database)


_VIEWS: dict[str, Callable[[Environ], bytes]] = {
    "/health": _health,
    "/auth/me": _me,
    "/api/v1/users": _users,
    "/auth/login": _login,
}

if __name__ == "__main__":
    serve()
