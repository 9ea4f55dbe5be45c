"""Rewriting what is encrypted when SECRET_KEY got a new secret in front, so that the oldest can be taken away.

Which columns those are the models say: by the type ``Sealed``, or by ``sealed_as`` where a feature encrypts itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, LargeBinary, select, type_coerce, update

from app.core.keyring import Keyring
from app.infra import db, engines
from app.infra.columns import Model
from app.infra.sealed import Sealed

_BATCH = 200

_keyring: Keyring


def connect(keyring: Keyring) -> None:
    """Learn the keys; once, during assembly."""
    global _keyring  # noqa: PLW0603 -- set once during assembly
    _keyring = keyring


@dataclass(slots=True)
class Tally:
    """How many values are sealed, how many of them need an older secret, and how many no secret opens."""

    values: int = 0
    older: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Value:
    key: Any
    sealed: bytes


def purpose_of(column: Column[Any]) -> str | None:
    """Return what a column is called in the keyring, None if it is not encrypted."""
    if isinstance(column.type, Sealed):
        return column.type.purpose
    return column.info.get("sealed")


def survey() -> Tally:
    """Count what is sealed, and by what it opens."""
    tally = Tally()
    for column, purpose in _sealed_columns():
        for batch in _batches(column):
            _older(batch, purpose, tally)
    return tally


def reseal(*, advance: Callable[[int], object] = lambda _: None) -> Tally:
    """Rewrite under the newest secret what an older one opens; ``advance`` hears how many values were looked at.

    Each batch is a short transaction, and a value is replaced only if it is still the one that was read: this may be
    interrupted, repeated, and run by two at once, beside the service.
    """
    tally = Tally()
    for column, purpose in _sealed_columns():
        for batch in _batches(column):
            older = _older(batch, purpose, tally)
            if older:
                _rewrite(column, purpose, older)
            advance(len(batch))
    return tally


def _rewrite(column: Column[Any], purpose: str, values: list[_Value]) -> None:
    with db.apart() as session:
        for value in values:
            new = _keyring.encrypt(purpose, _keyring.decrypt(purpose, value.sealed))
            unchanged = (_key(column) == value.key) & (type_coerce(column, LargeBinary) == value.sealed)
            session.execute(update(column.table).where(unchanged).values({column.name: type_coerce(new, LargeBinary)}))


def _older(batch: list[_Value], purpose: str, tally: Tally) -> list[_Value]:
    """Return what an older secret opens; count all."""
    opened = [(value, _keyring.age(purpose, value.sealed)) for value in batch]
    older = [value for value, age in opened if age]
    tally.values += len(batch)
    tally.older += len(older)
    tally.lost += sum(age is None for _, age in opened)
    return older


def _sealed_columns() -> Iterator[tuple[Column[Any], str]]:
    for table in Model.metadata.sorted_tables:
        for column in table.columns:
            if purpose := purpose_of(column):
                yield column, purpose


def _batches(column: Column[Any]) -> Iterator[list[_Value]]:
    """Read the raw values by key, holding nothing in between."""
    key = _key(column)
    values = select(key, type_coerce(column, LargeBinary)).where(column.is_not(None)).order_by(key).limit(_BATCH)
    following = values
    while True:
        reading = db.engine().execution_options(**{engines.READS: True})
        with db.translated(), reading.connect() as connection:
            batch = [_Value(*row) for row in connection.execute(following)]
        if not batch:
            return
        yield batch
        following = values.where(key > batch[-1].key)


def _key(column: Column[Any]) -> Column[Any]:
    (key,) = column.table.primary_key
    return key
