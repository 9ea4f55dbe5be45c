"""The one place where failures become answers: our envelope, problem+json (RFC 9457), or a page for a browser."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app.core import errors
from app.infra import metrics, reporting
from app.web import schemas
from app.web.declaration import of
from app.web.versions import PreconditionRequired

log = logging.getLogger(__name__)

STATUSES: dict[type[errors.Failure], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.EditedMeanwhile: 412,
    errors.Invalid: 422,
    PreconditionRequired: 428,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}

MEANINGS: dict[int, tuple[str, str]] = {
    400: ("BAD_REQUEST", "The request is malformed."),
    404: ("NOT_FOUND", "There is nothing at this address."),
    405: ("METHOD_NOT_ALLOWED", "This address does not take this method. See Allow."),
    413: ("PAYLOAD_TOO_LARGE", "The body is too large."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Send JSON as 'Content-Type: application/json', not encoded."),
    500: ("INTERNAL_ERROR", "Something went wrong here. It is logged under the request id."),
}

PROBLEM = "application/problem+json"


def install(app: Flask) -> None:
    """Let every failure of this app, also 404 and 405, be answered here."""
    app.register_error_handler(Exception, answer)


def status_of(failure: type[errors.Failure]) -> int:
    """Return the HTTP status of a kind of failure: its own or its nearest ancestor's."""
    return next((STATUSES[kind] for kind in failure.__mro__ if kind in STATUSES), 400)


def answer(error: Exception) -> Response:
    """Turn an exception into the answer that tells the client as much as it may know."""
    if isinstance(error, errors.Failure):
        return _render(status_of(type(error)), error.code, str(error), error.details, _headers(error))
    if isinstance(error, HTTPException) and error.code is not None and error.code >= 400:  # noqa: PLR2004 -- HTTP
        code, message = MEANINGS.get(error.code, (_code(error.code), "The request could not be carried out."))
        return _render(error.code, code, message, {}, _headers(error))
    log.error("unhandled", exc_info=error)
    reporting.unforeseen(error)
    return _render(500, *MEANINGS[500], {}, {})


def _code(status: int) -> str:
    return next((known.name for known in HTTPStatus if known == status), "ERROR")


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, errors.Unauthenticated):
        suffix = ', error="invalid_token"' if error.presented else ""
        return {"WWW-Authenticate": f'Bearer realm="api"{suffix}'}
    if isinstance(error, errors.TooMany | errors.Unavailable):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(sorted(error.valid_methods or ()))}
    return {}


def _render(status: int, code: str, message: str, details: errors.Details, headers: Mapping[str, str]) -> Response:
    metrics.error(code)
    accepted = request.headers.get("Accept", "")
    if PROBLEM in accepted:
        body, mimetype = _problem(status, code, message, details), PROBLEM
    elif "text/html" in accepted and _is_for_people():
        page = render_template("error.html", status=status, message=message, details=details)
        return Response(page, status, headers=dict(headers), mimetype="text/html")
    else:
        body, mimetype = _envelope(code, message, details), "application/json"
    return Response(orjson.dumps(body), status, headers=dict(headers), mimetype=mimetype)


def _is_for_people() -> bool:
    if not f"{request.path}/".startswith(("/auth/", "/api/")):
        return True
    view = current_app.view_functions.get(request.endpoint or "")
    return view is not None and of(view).for_people


def _envelope(code: str, message: str, details: errors.Details) -> dict[str, Any]:
    error = {"code": code, "message": message, "details": details}
    return {"status": "error", "error": error, "metadata": schemas.metadata()}


def _problem(status: int, code: str, message: str, details: errors.Details) -> dict[str, Any]:
    slug = code.lower().replace("_", "-")
    problem: dict[str, Any] = {
        "type": f"urn:carboy:problem:{slug}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": message,
        "instance": request.path,
        "code": code,
        "request_id": schemas.metadata()["request_id"],
    }
    if details:
        problem["errors"] = [
            {"pointer": _pointer(name), "detail": reason} for name, reasons in details.items() for reason in reasons
        ]
    return problem


def _pointer(name: str) -> str:
    """Write the dotted name of a field as a JSON pointer (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1").replace(".", "/")
