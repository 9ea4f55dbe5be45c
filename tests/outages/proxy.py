"""A TCP proxy between the service and a neighbour: it delays, swallows, refuses, and flaps."""

import asyncio
import socket
import struct
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

from tests.live import free_port

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close without a goodbye


class Proxy:
    """Passes bytes on, as long as nothing else is said. ``connections`` counts those that came."""

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.connections = 0
        self._to = port
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flapping: asyncio.Task[None] | None = None
        self._thread = Thread(target=self._loop.run_forever, name=f"proxy-{port}", daemon=True)
        self._thread.start()
        self._open.set()
        self._do(self._listen())

    def delay(self, seconds: float) -> None:
        """Bring each answer so much later."""
        self._delay = seconds

    def swallow(self) -> None:
        """Take connections and what is sent, and pass nothing on until ``mend``: a cable that is cut."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def refuse(self) -> None:
        """End every connection without a goodbye, and take no other."""
        self._do(self._shut())

    def flap(self, seconds: float) -> None:
        """Refuse and be well again by turns, so many seconds each."""

        async def on() -> None:
            while True:
                await self._shut()
                await asyncio.sleep(seconds)
                await self._listen()
                await asyncio.sleep(seconds)

        async def begin() -> None:
            self._flapping = asyncio.create_task(on())

        self._do(begin())

    def mend(self) -> None:
        """Pass everything on again, also what was swallowed."""
        self._do(self._mend())

    def close(self) -> None:
        """End it all."""
        self._do(self._mend())
        self._do(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _mend(self) -> None:
        if self._flapping is not None:
            self._flapping.cancel()
            self._flapping = None
        self._delay = 0.0
        self._open.set()
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._open.wait()
            there, to = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers.add(to)
            try:
                sending = asyncio.create_task(self._pass(reader, to, late=False))
                await self._pass(there, writer, late=True)
                await sending
            finally:
                self._writers.discard(to)
                _abort(to)
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            _abort(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        with suppress(OSError):
            while found := await reader.read(65536):
                if late and self._delay:
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                writer.write(found)
                await writer.drain()
        _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """Stand before a port of this machine."""
    made = Proxy(port)
    try:
        yield made
    finally:
        made.close()
