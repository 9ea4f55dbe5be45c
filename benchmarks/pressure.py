"""Makes load: many keep-alive connections from one thread, each asking again as soon as it was answered."""

import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: ?(\d+)\r\n", re.IGNORECASE)
_PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class Round:
    """What one round of load saw. ``own_cpu`` is what making it cost, in seconds."""

    seconds: float = 0.0
    own_cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return len(self.latencies)


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    waiting: deque[bytes]
    sent_at: float = 0.0
    received: bytes = b""

    def ask(self) -> None:
        request = self.waiting[0]
        self.waiting.rotate(-1)
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what there is; tell whether the answer is whole. One that is no success ends the benchmark."""
        chunk = self.socket.recv(262_144)
        assert chunk, "the server closed a connection"
        self.received += chunk
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return False
        assert self.received[9:12] == b"200", self.received.decode()
        length = _LENGTH.search(self.received, 0, head + 2)
        assert length, self.received.decode()
        return len(self.received) >= head + 4 + int(length[1])


class Load:
    """Connections to one server, which take turns in the given requests."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._connections = [
            _Connection(
                socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS),
                deque(requests[place::connections] or requests),
            )
            for place in range(connections)
        ]
        for connection in self._connections:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def run(self, seconds: float) -> Round:
        """Ask for so long, wait for the last answers, and return what was seen."""
        seen = Round()
        own, started = time.process_time(), time.perf_counter()
        ends, open_requests = started + seconds, len(self._connections)
        for connection in self._connections:
            connection.ask()
        while open_requests:
            ready = self._selector.select(_PATIENCE_SECONDS)
            assert ready, "the server does not answer"
            for key, _ in ready:
                connection = key.data
                if not connection.is_answered():
                    continue
                now = time.perf_counter()
                seen.latencies.append(now - connection.sent_at)
                if now < ends:
                    connection.ask()
                else:
                    open_requests -= 1
        seen.seconds, seen.own_cpu = time.perf_counter() - started, time.process_time() - own
        return seen

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for connection in self._connections:
            connection.socket.close()


def request(method: str, path: str, *, token: str = "", body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: carboy.bench"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask_once(port: int, asked: bytes) -> bytes:
    """Return the body of one successful answer."""
    connection = _Connection(socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS), deque([asked]))
    with connection.socket:
        connection.ask()
        while not connection.is_answered():
            pass
    return connection.received.partition(b"\r\n\r\n")[2]
