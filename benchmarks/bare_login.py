"""A sign-in with nothing but its work: reserve the guess, hash, begin a session, append to the audit trail, sign."""

import base64
import os
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import orjson
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from uuid_utils.compat import uuid7

from benchmarks.bare_sql import Database

_QUARTER, _MONTH = timedelta(minutes=15), timedelta(days=30)
_ACCESS_SECONDS = 3600

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_slots = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))
_key = ec.generate_private_key(ec.SECP256R1())

_Pair = dict[str, Any]


def login(
    database: Database, issuer: str, asked: dict[str, str], ip: str, request_id: str
) -> tuple[tuple[Any, ...], _Pair]:
    """Return the row of who signed in, and the fields of their tokens. What is wrong fails."""
    now = datetime.now(UTC)
    user_id, stored, is_active = database.run("credentials", login=asked["username"])[0]
    assert is_active
    assert database.run("known_address", user_id=user_id, ip=ip, since=database.moment(now - _MONTH))
    address, pair = _bucket(f"address {ip}"), _bucket(f"pair {user_id} {ip}")
    with database.transaction():
        for bucket in (address, pair):
            database.run("take", bucket=bucket, now=database.moment(now), expired=database.moment(now - _QUARTER))
    with _slots:
        _hasher.verify(stored, asked["password"])
    with database.transaction():
        held = database.run("still_hold", user_id=user_id)[0]
        assert held[9] == stored
        database.run("give_back", bucket=address)
        database.run("forget", bucket=pair)
        sid = _begin_session(database, user_id, ip)
        row = database.run("user", user_id=user_id)[0]
        _append(database, user_id, sid, ip, request_id)
    return row, _tokens(issuer, row, sid, database)


def _begin_session(database: Database, user_id: int, ip: str) -> UUID:
    sid, now = uuid7(), datetime.now(UTC)
    database.run(
        "start_session",
        sid=database.key(sid),
        user_id=user_id,
        now=database.moment(now),
        methods=database.document(["pwd"]),
        expires_at=database.moment(now + _MONTH),
        ip=ip,
    )
    return sid


def _append(database: Database, user_id: int, sid: UUID, ip: str, request_id: str) -> None:
    event, now, detail = uuid7(), datetime.now(UTC), {"methods": ["pwd"]}
    seq, previous = database.run("next_link")[0]
    line = [previous, seq, str(event), now, "authn_login_success", user_id, str(sid), ip, request_id, detail]
    link = sha256(orjson.dumps(line, option=orjson.OPT_SORT_KEYS)).hexdigest()
    database.run(
        "append",
        seq=seq,
        id=database.key(event),
        now=database.moment(now),
        actor=str(user_id),
        target=str(sid),
        ip=ip,
        request_id=request_id,
        detail=database.document(detail),
        hash=link,
    )
    database.run("link", hash=link)


def _tokens(issuer: str, row: tuple[Any, ...], sid: UUID, database: Database) -> _Pair:
    signed_at = int(datetime.now(UTC).timestamp())
    common = {"iss": issuer, "sub": str(row[0]), "sid": str(sid), "iat": signed_at}
    month = int(_MONTH.total_seconds())
    access = {
        **common,
        "aud": "api",
        "jti": str(uuid5(sid, "at+jwt 0")),
        "exp": signed_at + _ACCESS_SECONDS,
        "username": row[1],
        "roles": database.parsed(row[12]),
    }
    refresh = {**common, "aud": "refresh", "jti": str(uuid5(sid, "rt+jwt 0")), "exp": signed_at + month, "gen": 0}
    return {
        "access_token": _signed("at+jwt", access),
        "refresh_token": _signed("rt+jwt", refresh),
        "token_type": "Bearer",
        "expires_in": _ACCESS_SECONDS,
        "refresh_expires_in": month,
    }


def _signed(typ: str, claims: dict[str, Any]) -> str:
    header = {"alg": "ES256", "typ": typ, "kid": "A" * 43}
    text = _base64url(orjson.dumps(header)) + b"." + _base64url(orjson.dumps(claims))
    r, s = decode_dss_signature(_key.sign(text, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return (text + b"." + _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


def _bucket(name: str) -> str:
    return f"bare:{sha256(name.encode()).hexdigest()}"


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
