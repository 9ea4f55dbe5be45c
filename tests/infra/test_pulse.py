"""A server that is silent is told from one that is slow, refuses or is back."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from app.infra import pulse
from app.infra.pulse import Pulse
from tests.live import free_port, wait_until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_SILENCE_SECONDS", 0.02)
    monkeypatch.setattr(pulse, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(pulse, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that takes connections and says nothing, as that of a server that is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def pulse_of(port: int) -> Pulse:
    found = Pulse()
    found.address = f"host=127.0.0.1 port={port} dbname=any user=any".encode()
    return found


def ask(one: Pulse) -> None:
    """Doubt, and return when the question is answered or the server known to be gone."""
    one.doubt(since=time.monotonic() - 1)
    wait_until(lambda: one._asked_for == 0 or one.is_gone())


def answer(listening: socket.socket) -> None:
    """Say one byte to each that comes."""

    def serve() -> None:
        while listening.fileno() >= 0:
            with suppress(OSError), listening.accept()[0] as one:
                one.sendall(b"N")
                one.recv(1024)

    Thread(target=serve, daemon=True).start()


class TestPulse:
    def test_finds_out_that_a_server_is_silent_and_that_it_answers_again(self, silent: socket.socket) -> None:
        one = pulse_of(silent.getsockname()[1])

        ask(one)

        assert one.is_gone()
        answer(silent)
        wait_until(lambda: not one.is_gone())

    def test_trusts_a_server_that_says_a_byte(self, silent: socket.socket) -> None:
        answer(silent)
        one = pulse_of(silent.getsockname()[1])

        ask(one)

        assert not one.is_gone()

    def test_leaves_a_server_that_refuses_to_those_who_ask(self) -> None:
        one = pulse_of(free_port())

        ask(one)

        assert not one.is_gone()

    def test_trusts_a_server_that_another_heard_of_meanwhile(self, silent: socket.socket) -> None:
        one = pulse_of(silent.getsockname()[1])

        one.doubt(since=time.monotonic() - 1)
        wait_until(lambda: one._asked_for != 0)
        one.heard()
        wait_until(lambda: one._asked_for == 0)

        assert not one.is_gone()

    def test_asks_nothing_before_a_while_of_silence(self, silent: socket.socket) -> None:
        one = pulse_of(silent.getsockname()[1])
        one.heard()

        one.doubt(since=time.monotonic() - 1)

        assert one._asked_for == 0

    def test_takes_a_connection_that_waited_in_vain_for_the_answer(self, silent: socket.socket) -> None:
        one = pulse_of(silent.getsockname()[1])

        one.lose(since=time.monotonic() - 1)

        assert one.is_gone()

    def test_believes_nothing_that_a_parent_found_out(
        self, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = pulse_of(silent.getsockname()[1])
        one.lose(since=time.monotonic() - 1)

        monkeypatch.setattr(os, "getpid", lambda: 1)

        assert not one.is_gone()

    def test_judges_no_server_of_several(self) -> None:
        one = Pulse()

        one.doubt(since=0)
        one.lose(since=0)

        assert (one._asked_for, one.is_gone()) == (0, False)
