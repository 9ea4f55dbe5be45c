"""A Redis that answers, and one that is silent, for the worlds with and without a real one."""

import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

HELLO = b"%1\r\n$5\r\nproto\r\n:3\r\n"


class FakeRedis(socketserver.ThreadingTCPServer):
    """Answers every command with OK, but one that writes as a full one does, if it is full."""

    allow_reuse_address = True
    daemon_threads = True
    answer_to_writes = b"+OK\r\n"

    def fill(self) -> None:
        self.answer_to_writes = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.server_address[1]}/0"


class _Client(socketserver.StreamRequestHandler):
    server: FakeRedis

    def handle(self) -> None:
        answers = {b"HELLO": HELLO, b"SET": self.server.answer_to_writes}
        for line in self.rfile:
            words = [self._word() for _ in range(int(line[1:]))]
            self.wfile.write(answers.get(words[0].upper(), b"+OK\r\n"))

    def _word(self) -> bytes:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2]


@contextmanager
def fake_redis(port: int = 0) -> Iterator[FakeRedis]:
    with FakeRedis(("127.0.0.1", port), _Client) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class SilentRedis:
    """Lets clients connect and never answers; tells how many came."""

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        self._listener = listener
        self._clients: list[socket.socket] = []

    def connections(self) -> int:
        self._listener.settimeout(0)
        try:
            while True:
                self._clients.append(self._listener.accept()[0])
        except BlockingIOError:
            return len(self._clients)

    def close(self) -> None:
        for client in (*self._clients, self._listener):
            client.close()


@contextmanager
def silent_redis() -> Iterator[SilentRedis]:
    server = SilentRedis(socket.create_server(("127.0.0.1", 0)))
    try:
        yield server
    finally:
        server.close()
