"""Many made-up users, for trying things at size."""

from collections.abc import Callable

from sqlalchemy import func, insert, select

from app.core import clock
from app.core.permissions import USER
from app.features.access import service as access
from app.features.accounts.models import User
from app.infra import db

_BATCH = 2000
_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "John", "Radia", "Ken")
_LAST = (
    "Lovelace",
    "Hopper",
    "Turing",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Allen",
    "Backus",
    "Perlman",
    "Thompson",
)


def seed(count: int, *, advance: Callable[[int], object]) -> int:
    """Insert so many users without a password, in batches; ``advance`` hears of each. Return the first number used."""
    start = (db.session().scalar(select(func.max(User.id))) or 0) + 1
    for begin in range(start, start + count, _BATCH):
        rows = [_row(number) for number in range(begin, min(begin + _BATCH, start + count))]
        ids = db.session().scalars(insert(User).returning(User.id), rows).all()
        access.give_to_many(role=USER, user_ids=ids)
        advance(len(rows))
    return start


def _row(number: int) -> dict[str, object]:
    first, last = _FIRST[number % 10], _LAST[number // 10 % 10]
    username, now = f"{first}.{last}.{number}".lower(), clock.now()
    email = f"{username}@seed.example"
    return {
        "username": username,
        "username_key": username,
        "email": email,
        "email_key": email,
        "first_name": first,
        "last_name": last,
        "is_active": True,
        "search_text": f"{username} {email} {first} {last}".lower(),
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
