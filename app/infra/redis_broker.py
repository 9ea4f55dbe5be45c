"""Redis as a broker: what ends Celery's worker there, and need not.

Whoever else writes to that Redis may leave texts that are no messages: they are dropped, as app/infra/nonsense.py does.

And when Redis goes away while a message is at hand, kombu closes the connection, then wants to give the message back by
a channel of it, which knows no more where that is. It fails as nobody expects, and the worker ends. Here it fails as
every use of a lost connection does, and the worker connects anew. No message matters: the timetable finds the work.
"""

from queue import Empty
from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from app.infra import nonsense


class Channel(redis.Channel):
    """Outlives what is no message at all, and its own connection."""

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 -- kombu's
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]  # it has few types
        except (Empty, OSError, RedisError):
            raise
        except Exception as error:  # whatever is wrong with what came
            nonsense.say(error)
            raise Empty from error

    def _connparams(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as above
        if self.connection is None or self.connection.client is None:
            raise ConnectionLost
        return super()._connparams(*arguments, **options)  # type: ignore[no-untyped-call]  # as above


class Transport(redis.Transport):
    """Redis, whoever else writes to it, and however often it goes away."""

    Channel = Channel
