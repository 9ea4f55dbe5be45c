"""What happens around each view: wait in line, limit, identify, authorise, read, one unit of work, shape."""

import logging
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from flask import Response
from pydantic import TypeAdapter

from app.core import origin
from app.core.caller import Caller
from app.core.errors import Failure, Unauthenticated, Unavailable
from app.infra import db
from app.web import admission, bodies, errors, freshness, idempotency, limits, paging, schemas, versions
from app.web import caller as callers
from app.web.declaration import Access, Declaration, View, of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = "application/json"


def perform(view: View, rule: str) -> Callable[..., Response]:
    """Return what runs for each request of a view, in this order: 429, 401, 403, 4xx of the body, the view."""
    declaration = of(view)

    @wraps(view)
    def run(**given: Any) -> Response:  # noqa: ANN401 -- the parts of the path
        source = origin.current()
        source.route = rule
        with callers.from_outside():
            caller = _admit(declaration)
            callers.authorise(declaration, caller)
            _read(declaration, given)
            if source.method in SAFE:
                with freshness.reading(caller), db.unit_of_work(writes=False):
                    return _shape(declaration, view(**given), caller)
            repeat = idempotency.find(declaration, given.get("body"))
            if repeat is not None:
                return repeat.answer(lambda: _written_by(caller, declaration, view, given))
            with db.unit_of_work():
                return _written_by(caller, declaration, view, given)

    chosen = run if declaration.exempt else _in_turn(run, rule)
    vars(chosen)["asks_who_calls"] = True
    return chosen


def _in_turn(run: Callable[..., Response], rule: str) -> Callable[..., Response]:
    """Let work wait for its turn, and then for the database, so long and no longer."""
    log = logging.getLogger(run.__module__)

    @wraps(run)
    def run_in_turn(**given: Any) -> Response:  # noqa: ANN401 -- the parts of the path
        origin.current().route = rule
        waited = admission.enter()
        try:
            with db.in_time(waited=waited):
                return run(**given)
        except Failure as failure:
            if log.isEnabledFor(logging.DEBUG):
                log.debug("refused", extra={"code": failure.code, "raised_in": _raised_in(failure)})
            raise
        finally:
            admission.leave()
            bodies.discard()  # however slowly it comes, the turn is another's by now

    return run_in_turn


def _raised_in(failure: Failure) -> list[str]:
    """Return the functions of ours that a failure came through: why somebody was refused, without what they sent."""
    frames = traceback.extract_tb(failure.__traceback__)
    return [f"{Path(frame.filename).stem}.{frame.name}:{frame.lineno}" for frame in frames if "/app/" in frame.filename]


def _written_by(caller: Caller, declaration: Declaration, view: View, given: dict[str, Any]) -> Response:
    answer = _shape(declaration, view(**given), caller)
    freshness.note(caller)  # after the view: what it does last may wait for a lock, and the note must not be older
    return answer


def _admit(declaration: Declaration) -> Caller:
    if declaration.access is Access.PUBLIC:
        limits.spend(declaration, None)
        return callers.current()
    try:
        caller = callers.identify()
    except Unauthenticated:
        limits.spend(declaration, None)
        raise
    limits.spend(declaration, caller)
    return caller


def _read(declaration: Declaration, given: dict[str, Any]) -> None:
    if declaration.query is not None:
        given["query"] = schemas.read_query(declaration.query)
    if declaration.takes is not None:
        given["body"] = schemas.read_body(declaration)
    if declaration.conditional:
        given["guard"] = versions.guard()


def _shape(declaration: Declaration, result: Any, caller: Caller) -> Response:  # noqa: ANN401 -- whatever a service returns
    if isinstance(result, Response):
        return result
    if declaration.returns is None:
        response = Response(status=declaration.status)
        del response.headers["Content-Type"]  # Flask's is that of a page
        return response
    status = _status(declaration, result)
    response = Response(_written(declaration.returns, declaration, result, caller), status, mimetype=_JSON)
    _describe(response, declaration, result)
    return response


def _written(shape: TypeAdapter[Any], declaration: Declaration, result: Any, caller: Caller) -> bytes:  # noqa: ANN401 -- as _shape
    """Serialise a result in the richest shape that the caller may see, in its envelope."""
    permitted = (richer for permission, richer in declaration.richer.items() if permission in caller.permissions)
    adapter = next(permitted, shape)
    written = adapter.dump_json(adapter.validate_python(result.items if declaration.paged else result))
    if declaration.bare:
        return written
    message = getattr(result, "message", declaration.message)  # of one of several shapes that an answer may have
    return schemas.envelope(written, message, paging.pagination(result) if declaration.paged else None)


def _status(declaration: Declaration, result: Any) -> int:  # noqa: ANN401 -- as _shape
    if not declaration.status_of:
        return declaration.status
    return declaration.status_of.get(getattr(result, "status", ""), declaration.status)


def _describe(response: Response, declaration: Declaration, result: Any) -> None:  # noqa: ANN401 -- as _shape
    """Add the headers that say what the answer is a version of, where it is, how long it is good."""
    if response.status_code == errors.STATUSES[Unavailable]:
        response.headers["Retry-After"] = str(Unavailable.retry_after)
    if declaration.cached:
        response.headers["Cache-Control"] = f"public, max-age={declaration.cached}"
    if declaration.versioned:
        response.headers["ETag"] = versions.etag(result.version)
    if declaration.location and response.status_code == declaration.status:
        response.headers["Location"] = declaration.location.format(it=result)
