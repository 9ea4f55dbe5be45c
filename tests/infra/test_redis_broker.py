"""Redis goes away while a worker has a message at hand."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import kombu
import pytest

from app.infra.redis_broker import Transport
from tests import servers
from tests.world import SERVICES

pytestmark = [
    pytest.mark.skipif(not SERVICES, reason="Celery belongs to the services world"),
    pytest.mark.skipif(servers.find_redis() is None, reason="no Redis server found to be the broker"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:kombu"),
]

_kombu: Any = kombu  # it has few types


@pytest.fixture
def at_hand() -> Iterator[tuple[Any, Any]]:
    """A connection as a worker has it, with two channels that wait for messages, and a message; Redis is gone."""
    with servers.redis() as server, _kombu.Connection(server.url, transport=Transport) as connection:
        taken: list[Any] = []
        for name, channel in (("work", connection.default_channel), ("ticks", connection.channel())):
            queues, callbacks = [_kombu.Queue(name)], [lambda _, message: taken.append(message)]
            _kombu.Consumer(channel, queues=queues, callbacks=callbacks).consume()
        _kombu.Producer(connection).publish("look", routing_key="work")
        with suppress(socket.timeout):
            while True:
                connection.drain_events(timeout=0.2)
        server.stop()
        (message,) = taken
        yield connection, message


class TestLostConnection:
    def test_is_closed_by_who_wants_to_connect_anew(self, at_hand: tuple[Any, Any]) -> None:
        connection, _ = at_hand
        connection.collect(socket_timeout=1)

        with suppress(*connection.connection_errors):
            connection.close()

        connection.close()

    def test_takes_back_no_message_and_says_so_as_it_always_does(self, at_hand: tuple[Any, Any]) -> None:
        connection, message = at_hand
        connection.collect(socket_timeout=1)

        with pytest.raises(connection.connection_errors):
            message.ack()
