"""Nothing is lost when a sender dies, and nothing is repeated but the mail that was on its way."""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread, Timer

import pytest

from app.features.mail import service as mail
from app.infra import mailer
from tests.features.mail.conftest import SECRET, rows, send
from tests.features.mail.senders import Sender, senders
from tests.live import free_port
from tests.postbox import Postbox, postbox
from tests.world import World

pytestmark = pytest.mark.slow

MAILS = int(os.environ.get("CARBOY_TEST_MAILS", "200"))
KILLS = int(os.environ.get("CARBOY_TEST_KILLS", "40"))

SECONDS = 60.0


PORT = free_port()


@pytest.fixture
def box(world: World) -> Iterator[Postbox]:
    """The mail server of all senders of this file."""
    with postbox(port=PORT) as started:
        world.with_settings(mail_url=started.url, secret_key=(SECRET,))
        yield started
        mailer.hang_up()


@pytest.fixture(scope="module")
def several(the_world: World) -> Iterator[list[Sender]]:
    with senders(the_world, 2, MAIL_URL=f"smtp://127.0.0.1:{PORT}") as started:
        for one in started:  # nothing is due: when this is over it has started, which may take as long as a mail may
            one.begin()
            one.wait()
        yield started


@pytest.fixture
def sender(several: list[Sender]) -> Sender:
    return several[0]


class Killer:
    """Kills a sender while it has its n-th mail accepted, or a moment later."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.kills = 0
        self._left = 0
        self._pid = 0

    def aim(self, pid: int) -> None:
        self._left, self._pid = self._chance.randint(1, max(1, 2 * MAILS // KILLS - 2)), pid

    def notice(self) -> None:
        """Hear that a mail was accepted, before its sender does."""
        self._left -= 1
        if self._left == 0 and self._chance.random() < 0.5:
            self._kill()
        elif self._left == 0:
            Timer(self._chance.random() * 0.01, self._kill).start()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
            self.kills += 1


def let_die(sender: Sender, killer: Killer) -> None:
    """Start a sender, and return when it is killed, or has nothing more to do."""
    killer.aim(sender.begin())
    sender.wait()


def send_the_rest(sender: Sender) -> None:
    """Send until nothing waits; the locks of the dead are gone only once the database has noticed."""
    while any(row.status == "pending" for row in rows()):
        sender.begin()
        sender.wait()


class TestKilledSenders:
    def test_lose_nothing_and_repeat_one_mail_each_at_most(self, box: Postbox, sender: Sender) -> None:
        killer = Killer(random.Random(20260109))  # noqa: S311 -- when to kill need not be unguessable
        for _ in range(MAILS):
            send()
        box.on_mail = killer.notice

        while killer.kills < KILLS and any(row.status == "pending" for row in rows()):
            let_die(sender, killer)
        box.on_mail = lambda: None
        send_the_rest(sender)

        received = Counter(box.ids)
        again = received.total() - len(received)
        print(f"\n{killer.kills} kills: {MAILS} mails, {len(received)} arrived, {again} repeated")  # noqa: T201 -- the figures of this proof
        assert killer.kills >= KILLS * 3 // 4
        assert set(received) == {f"<{row.id}@carboy.test>" for row in rows()}
        assert len(received) == MAILS
        assert received.total() - MAILS <= killer.kills
        assert {row.status for row in rows()} == {"sent"}

    def test_leave_no_lock_behind(self, box: Postbox, sender: Sender) -> None:
        send()
        arrived, gone = Event(), Event()

        def hold() -> None:
            arrived.set()
            gone.wait(SECONDS)

        box.on_mail = hold
        pid = sender.begin()
        assert arrived.wait(SECONDS)
        os.kill(pid, signal.SIGKILL)
        sender.wait()
        gone.set()
        box.on_mail = lambda: None
        send_the_rest(sender)

        assert box.ids == [f"<{row.id}@carboy.test>" for row in rows()] * 2


class TestSendersAtOnce:
    def test_in_several_processes_send_each_mail_once(self, box: Postbox, several: list[Sender]) -> None:
        for number in range(60):
            send(user_id=number % 7 + 1)

        while any(row.status == "pending" for row in rows()):
            for sender in several:
                sender.begin()
            for sender in several:
                sender.wait()

        assert Counter(box.ids) == Counter(f"<{row.id}@carboy.test>" for row in rows())
        accounts = {f"<{row.id}@carboy.test>": row.user_id for row in rows()}
        for account in range(1, 8):
            got = [one for one in box.ids if accounts[one] == account]
            assert got == sorted(got)

    def test_leave_a_mail_alone_that_another_one_is_sending(self, box: Postbox, sender: Sender) -> None:
        send(user_id=1)
        send(user_id=1)
        arrived, go_on = Event(), Event()

        def hold() -> None:
            arrived.set()
            go_on.wait(SECONDS)

        box.on_mail = hold
        sending = Thread(target=mail.deliver_pending)
        sending.start()
        assert arrived.wait(SECONDS)
        sender.begin()
        sender.wait()
        received = len(box.received)
        go_on.set()
        sending.join(SECONDS)

        assert received == 1
        assert box.ids == [f"<{row.id}@carboy.test>" for row in rows()]
