"""Messages of a broker that are not ours are dropped: Celery would end, and begin again with the same message.

What Celery looks for itself is a task that it does not know, and a format that it does not accept. A body that is no
list of arguments, a time limit that is no number, or a text in Redis that is no message at all ends the worker, and it
comes back to the worker that follows. So what does not look as one that we sent is let go. None can hold work: that
stands in the database.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer  # type: ignore[import-untyped]  # it has no types

log = logging.getLogger(__name__)

_NEVER_SAID = ("compression", "eta", "group", "replaced_task_nesting", "retries", "shadow", "stamped_headers", "stamps")


class Tolerant(Consumer):  # type: ignore[misc]  # it has no types
    """Drops what it cannot make a task of."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:  # noqa: ANN401 -- Celery's
        handle = super().create_task_handler(*args, **options)

        def on_message(message: Any) -> None:  # noqa: ANN401 -- as above
            try:
                _check(message)
            except Exception as error:  # noqa: BLE001 -- whatever is wrong with it
                say(error)
                message.ack_log_error(log, self.connection_errors)
            else:
                handle(message)

        return on_message


class Nonsense(Exception):
    """Nobody of us sent this."""


def _check(message: Any) -> None:  # noqa: ANN401 -- kombu's
    """Raise, whatever it is that is wrong, unless a message says nothing but which task to look at, and for whom."""
    said = message.headers
    args, kwargs, further = message.decode()
    if not (
        all(isinstance(said[name], str) for name in ("task", "id"))
        and isinstance(said.get("expires"), str | None)
        and not any(said.get(name) for name in _NEVER_SAID)
        and not any(said.get("timelimit") or ())
        and (type(args), type(kwargs), type(further)) == (list, dict, dict)
        and not any(further.values())
    ):
        raise Nonsense


def say(error: Exception) -> None:
    """Say which kind of nonsense, never what it was."""
    log.error("a message of the broker makes no sense and is dropped", extra={"error": type(error).__name__})
