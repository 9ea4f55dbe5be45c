"""Lets something happen at the worst moment: right before or after another one's statement."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, Literal

from sqlalchemy import event

from app.infra import db

Moment = Literal["before_cursor_execute", "after_cursor_execute"]


@contextmanager
def coming_between(moment: Moment, words: tuple[str, ...], act: Callable[[], object]) -> Iterator[Event]:
    """Act once, in another thread, when the first statement with all these words is sent; tell by the event."""
    acted = Event()

    def notice(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not acted.is_set() and all(word in statement for word in words):
            acted.set()
            with ThreadPoolExecutor(1) as other:
                other.submit(act).result()

    event.listen(db.engine(), moment, notice)
    try:
        yield acted
    finally:
        event.remove(db.engine(), moment, notice)
