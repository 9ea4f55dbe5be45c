"""The port that workers accept from: one socket for all of them, and how it is closed without losing anybody."""

import ctypes
import socket
import struct
import sys
import time
from contextlib import suppress

Listener = socket.socket

BACKLOG = 1024

CONNECTIONS = 10_000
"""Of each worker, at most. Those that are idle cost nothing, and work has bounds of its own. The limit of open files
is no concern: Granian raises it as soon as it is imported, which it is under Gunicorn as well."""

_QUEUE_SECONDS = 2.0
_SO_ATTACH_FILTER = 26
_ACCEPT_QUEUE = slice(24, 28)
"""Where TCP_INFO of a listening socket holds how many connections wait to be accepted (tcpi_unacked)."""

_DROP_SYN = (  # classic BPF over the TCP header: a packet that opens a connection is not heard, all others are
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x45, 0, 2, 0x02),  # SYN?
    (0x45, 1, 0, 0x10),  # with ACK, which no listener is sent
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


def listen(host: str, port: int) -> Listener:
    """Open the port for workers to inherit; raise OSError if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.set_inheritable(True)
    return listener


def turn_away(listener: socket.socket) -> None:
    """Let nobody begin a connection. Closing the port instead would reset those that wait to be accepted.

    Who tries meanwhile hears nothing, and a second later, when the port is closed, that it is.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _DROP_SYN))
    attached = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(program))
    with suppress(OSError):  # not Linux
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)


def wait_until_accepted(listener: socket.socket) -> None:
    """Return once nobody waits to be accepted, or waited for too long."""
    ends = time.monotonic() + _QUEUE_SECONDS
    while _queue_of(listener) and time.monotonic() < ends:
        time.sleep(0.01)


def _queue_of(listener: socket.socket) -> int:
    if sys.platform != "linux":
        return 0
    found = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACCEPT_QUEUE.stop)
    return int(struct.unpack("I", found[_ACCEPT_QUEUE])[0])


def shut(listener: Listener) -> None:
    """Close the port in every process that has it open, so that who connects is refused and not left waiting."""
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
