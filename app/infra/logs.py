"""Logs: one JSON object a line on stdout, with the request's ids on each; nothing a caller sends can forge one."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from app.core import clock, origin
from app.core.config import Settings
from app.infra import levels

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _to_stdout(line: bytes) -> None:
    while line:
        line = line[os.write(1, line) :]


write: Callable[[bytes], None] = _to_stdout
"""Where lines go; the tests remember them instead."""


def connect(settings: Settings) -> None:
    """Send every logger of this process through here."""
    root = logging.getLogger()
    levels.apply(())
    root.handlers[:] = [JsonHandler()]
    root.setLevel(settings.log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    levels.keep_secrets()
    logging.captureWarnings(capture=True)


def emit(
    level: str,
    logger: str,
    message: str,
    *,
    status: int | None = None,
    execution_time_ms: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write one line. A line that cannot be written (a full disk, a closed pipe) is lost, not the request."""
    line: dict[str, Any] = {
        "timestamp": clock.rfc3339(clock.now()),
        "level": level,
        "logger": logger,
        "message": message,
    }
    source = origin.find()
    if source is not None:
        line["request_id"] = source.request_id
        line["trace_id"] = source.trace_id
        line["user_id"] = source.user_id
        line["ip_address"] = source.ip
        line["method"] = source.method
        line["route"] = source.route
    if status is not None:
        line["status"] = status
        line["execution_time_ms"] = execution_time_ms
    if extra:
        line["extra"] = extra
    try:
        write(_written(line))
    except (OSError, TypeError, ValueError):
        return


def _written(line: Mapping[str, Any]) -> bytes:
    """Write a line as JSON; one with signs that terminals or log readers act on (ESC, NEL, U+2028) is all ASCII."""
    try:
        written = orjson.dumps(line, default=repr)
    except orjson.JSONEncodeError:  # lone surrogates, keys that are no text, numbers beyond 64 bits
        written = b""
    if not written or not written.isascii() or b"\x7f" in written:
        written = json.dumps(line, default=repr).replace("\x7f", "\\u007f").encode()
    return written + b"\n"


class JsonHandler(logging.Handler):
    """Turns the records of every library into our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record with its extras; an exception's stack stays in the log and nowhere else."""
        if levels.end_lapsed() and not logging.getLogger(record.name).isEnabledFor(record.levelno):
            return
        extra = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            extra["exception"] = "".join(traceback.format_exception(*record.exc_info))
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # its arguments do not fit: no reason to fail what it tells of
            message = record.msg
        emit(record.levelname, record.name, message, extra=extra)


def say(text: str) -> None:
    """Speak to the person at the terminal: where to look, what to do. Goes to stderr, so that logs stay JSON."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 -- the one place that speaks to a terminal
