"""What is done to the neighbours of a house, by the names that docs/outages.md gives, and how it is undone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread

import psycopg

from tests.outages import disk
from tests.outages.house import House, Neighbour

_MOST_WRITES = 200

Do = Callable[[House], object]


@dataclass(frozen=True)
class Harm:
    """``seconds``: how long it is looked at, if that matters."""

    harm: Do
    mend: Do
    seconds: float = 0.0


def stop(*names: str) -> Harm:
    return Harm(_each(names, lambda one: one.server.stop()), _mended(names))


def freeze(*names: str) -> Harm:
    return Harm(_each(names, lambda one: one.server.freeze()), _mended(names))


def slow(name: str, seconds: float) -> Harm:
    return Harm(_each([name], lambda one: one.proxy.delay(seconds)), _mended([name]))


def cut(*names: str) -> Harm:
    return Harm(_each(names, lambda one: one.proxy.swallow()), _mended(names))


def flap(*names: str) -> Harm:
    return Harm(_each(names, lambda one: one.proxy.flap(1.0)), _mended(names), seconds=4.5)


def both(one: Harm, other: Harm) -> Harm:
    def act(first: Do, then: Do) -> Do:
        return lambda it: (first(it), then(it))

    return Harm(act(one.harm, other.harm), act(one.mend, other.mend), max(one.seconds, other.seconds))


def _each(names: Sequence[str], do: Callable[[Neighbour], object]) -> Do:
    def act(it: House) -> None:
        for name in names:
            do(getattr(it, name))

    return act


def _mended(names: Sequence[str]) -> Do:
    return _each(names, lambda one: one.mend())


def exhaust(it: House) -> None:
    """Keep every connection of the pools busy: whoever asks for this table waits until the database ends that."""
    ended, locked = Event(), Event()
    it.held.append(ended)

    def hold() -> None:
        with psycopg.connect(it.past_the_proxy) as connection:
            connection.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            locked.set()
            ended.wait(60)

    Thread(target=hold, daemon=True).start()
    assert locked.wait(10)


def fill_database(it: House) -> None:
    """Fill the disk, then the room that is left in what the database has of it already."""
    disk.fill(it.disks["database"])
    for _ in range(_MOST_WRITES):
        if it.write().status != 201:
            return


MAIL_DOWN = Harm(lambda it: it.mail.refuse(), lambda it: it.mail.mend(), 3.0)
MAIL_FROZEN = Harm(lambda it: it.mail.swallow(), lambda it: it.mail.mend(), 3.0)

HARM = {
    "database down": stop("database"),
    "database frozen": freeze("database"),
    "database cut off": cut("database"),
    "database slow": slow("database", 0.3),
    "database flaps": flap("database"),
    "pool exhausted": Harm(exhaust, lambda it: it.held.pop().set(), 3.0),
    "disk of the database full": Harm(fill_database, lambda it: disk.clear(it.disks["database"])),
    "Redis down": stop("redis"),
    "Redis frozen": freeze("redis"),
    "Redis slow": slow("redis", 0.1),
    "Redis flaps": flap("redis"),
    "broker down": stop("broker"),
    "broker frozen": freeze("broker"),
    "mail down": MAIL_DOWN,
    "mail frozen": MAIL_FROZEN,
    "disk of the instance full": Harm(
        lambda it: disk.fill(it.disks["instance"]), lambda it: disk.clear(it.disks["instance"])
    ),
    "database and Redis frozen": freeze("database", "redis"),
    "Redis and broker down": stop("redis", "broker"),
}

MORE = {
    "database slow and Redis frozen": both(slow("database", 0.3), freeze("redis")),
    "database and broker down": stop("database", "broker"),
    "mail frozen and Redis slow": both(MAIL_FROZEN, slow("redis", 0.1)),
    "database and Redis flap": flap("database", "redis"),
    "RabbitMQ down": stop("broker"),
    "RabbitMQ frozen": freeze("broker"),
}
"""What takes too long to be seen each time."""
