"""From the outbox to the mail server: what leaves, what is tried again, what dies."""

import json
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import text

from app.core import origin
from app.core.origin import Origin
from app.features.mail import delivery
from app.features.mail import service as mail
from app.infra import db
from tests.conftest import Clock
from tests.features.mail.conftest import SECRET, Template, minutes_until_due, rows, send, the_row
from tests.postbox import Postbox
from tests.world import World


class TestSent:
    def test_reaches_its_recipient_once(self, box: Postbox) -> None:
        send()

        first, second = mail.deliver_pending(), mail.deliver_pending()

        assert (first, second) == (1, 0)
        assert box.recipients == ["ada@engines.test"]
        assert box.ids == [f"<{the_row().id}@carboy.test>"]

    def test_keeps_a_record_and_nothing_of_what_it_said(self, box: Postbox, clock: Clock) -> None:
        send()

        mail.deliver_next()

        row = the_row()
        assert (row.status, row.sealed, row.sent_at, row.attempts) == ("sent", None, clock.now(), 1)

    def test_is_a_file_in_the_embedded_world(self, world: World) -> None:
        world.with_settings()
        send()

        mail.deliver_pending()

        file = world.var / "mail" / f"{the_row().id}.eml"
        assert message_from_bytes(file.read_bytes(), policy=default)["To"] == "ada@engines.test"

    def test_uses_one_connection_for_a_round(self, box: Postbox) -> None:
        for _ in range(3):
            send()

        mail.deliver_pending()

        assert (len(box.received), len(box.sessions)) == (3, 1)

    def test_is_nothing_of_a_transaction_that_failed(self, box: Postbox) -> None:
        def failing() -> None:
            with db.unit_of_work():
                mail.send("test", to="ada@engines.test")
                raise LookupError

        with pytest.raises(LookupError):
            failing()
        mail.deliver_pending()

        assert (box.received, rows()) == ([], [])

    def test_is_nothing_for_nobody(self, box: Postbox) -> None:
        send(to=None)
        send()

        mail.deliver_pending()

        assert len(box.received) == len(rows()) == 1

    def test_carries_the_ids_of_its_request_into_the_log(self, world: World, box: Postbox, lines: list[bytes]) -> None:
        token = origin.begin(Origin("request-of-ada", trace_id="a" * 32, ip="192.0.2.7", user_id=7))
        send(user_id=8)
        origin.end(token)
        world.with_settings(mail_url=box.url, secret_key=(SECRET,))  # as after a restart: nothing but the row is left

        mail.deliver_pending()

        told = [json.loads(line) for line in lines if b"mail sent" in line]
        assert [(line["request_id"], line["trace_id"], line["user_id"]) for line in told] == [
            ("request-of-ada", "a" * 32, 7)
        ]
        assert b"ada@engines.test" not in b"".join(lines)

    def test_is_not_repeated_because_the_database_could_not_note_it(
        self, box: Postbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send()
        with monkeypatch.context() as full:
            full.setattr(delivery, "_settle", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                mail.deliver_pending()

        mail.deliver_pending()

        assert (len(box.received), the_row().status) == (1, "sent")


class TestOrder:
    def test_is_that_of_writing(self, box: Postbox, template: object) -> None:
        for _ in range(5):
            send()

        mail.deliver_pending()

        assert box.ids == [f"<{row.id}@carboy.test>" for row in rows()]

    def test_holds_the_later_mails_of_an_account_while_an_earlier_is_put_off(self, box: Postbox, clock: Clock) -> None:
        send(user_id=1)
        box.answers["RCPT"] = "450 4.2.0 greylisted"
        mail.deliver_pending()
        box.answers.clear()
        send(user_id=1)
        send(user_id=2)

        mail.deliver_pending()
        clock.advance(minutes=2)
        mail.deliver_pending()

        first, second, other = (f"<{row.id}@carboy.test>" for row in rows())
        assert box.ids == [other, first, second]

    def test_waits_no_longer_for_one_that_is_put_off_for_long(self, box: Postbox, clock: Clock) -> None:
        send(user_id=1)
        box.answers["RCPT"] = "450 4.2.0 greylisted"
        for _ in range(4):
            mail.deliver_pending()
            clock.advance(hours=1)
        mail.deliver_pending()
        box.answers.clear()
        send(user_id=1)

        mail.deliver_pending()

        assert box.ids == [f"<{rows()[1].id}@carboy.test>"]


class TestPutOff:
    def test_waits_longer_each_time_and_dies_at_the_tenth(self, box: Postbox, clock: Clock) -> None:
        send()
        box.answers["DATA"] = "451 4.3.0 <ada@engines.test> later"
        waits = []

        for _ in range(9):
            assert mail.deliver_pending() == 1
            waits.append(minutes_until_due(the_row(), clock))
            assert mail.deliver_pending() == 0
            clock.at = the_row().due_at
        mail.deliver_pending()

        assert all(2**n <= wait <= 1.25 * 2**n for n, wait in enumerate(waits))
        assert (the_row().status, the_row().attempts) == ("dead", 10)
        assert the_row().last_error == "the server refused the content (451 4.3.0)"

    def test_waits_six_hours_at_most_and_never_all_alike(self) -> None:
        waits = {delivery.wait_after(20) for _ in range(20)}

        assert all(6 * 3600 <= wait.total_seconds() <= 7.5 * 3600 for wait in waits)
        assert len(waits) > 1

    def test_is_sent_once_the_server_takes_it(self, box: Postbox, clock: Clock) -> None:
        send()
        box.answers["RCPT"] = "450 4.2.0 greylisted"
        mail.deliver_pending()
        box.answers.clear()
        clock.advance(minutes=2)

        mail.deliver_pending()

        assert (len(box.received), the_row().status, the_row().last_error) == (1, "sent", None)


class TestServerAway:
    def test_costs_no_mail_an_attempt_and_ends_the_round(self, box: Postbox) -> None:
        for _ in range(3):
            send()
        box.stop()

        settled = mail.deliver_pending()
        box.start()

        assert settled == 0
        assert [(row.status, row.attempts) for row in rows()] == [("pending", 0)] * 3
        assert rows()[0].last_error == "the server does not answer (ConnectionRefusedError)"

    def test_is_left_alone_for_a_while(self, box: Postbox, lines: list[bytes]) -> None:
        send()
        box.stop()

        mail.deliver_pending()
        mail.deliver_pending()
        box.start()

        assert len([line for line in lines if b"mail waits for its server" in line]) == 1

    def test_is_sent_everything_in_order_once_it_is_back(self, box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(3):
            send(user_id=1)
        box.stop()
        mail.deliver_pending()
        box.start()
        monkeypatch.setattr("app.infra.mailer._rests_until", 0.0)

        mail.deliver_pending()

        assert box.ids == [f"<{row.id}@carboy.test>" for row in rows()]
        assert {(row.status, row.attempts) for row in rows()} == {("sent", 1)}


class TestDead:
    def test_is_at_once_what_the_server_refuses_for_good(self, box: Postbox, lines: list[bytes]) -> None:
        send()
        box.answers["RCPT"] = "550 5.1.1 <ada@engines.test> unknown"

        mail.deliver_pending()

        row = the_row()
        assert (row.status, row.last_error) == ("dead", "the server refused the recipient (550 5.1.1)")
        assert row.sealed is not None
        assert b"ada@engines.test" not in b"".join(lines)

    def test_is_a_mail_that_cannot_be_rendered_and_stops_no_other(self, box: Postbox, template: Template) -> None:
        send(template(text="{{ missing }}"))
        send()

        mail.deliver_pending()

        assert [row.status for row in rows()] == ["dead", "sent"]
        assert rows()[0].last_error == "made-up/body.txt: 'missing' is undefined"

    def test_is_only_in_the_end_a_mail_of_a_template_that_another_release_may_have(
        self, box: Postbox, clock: Clock
    ) -> None:
        send("no-such")
        send()

        mail.deliver_pending()
        at_first = [row.status for row in rows()]
        for _ in range(9):
            clock.advance(hours=8)
            mail.deliver_pending()

        assert at_first == ["pending", "sent"]
        assert (rows()[0].status, rows()[0].last_error) == ("dead", "there is no template no-such/subject.txt")

    def test_is_a_mail_that_no_secret_opens(self, box: Postbox) -> None:
        send()
        with db.unit_of_work():
            db.session().execute(text("UPDATE mail_outbox SET sealed = :junk"), {"junk": b"junk" * 20})
        send()

        mail.deliver_pending()

        assert [row[0] for row in statuses()] == ["dead", "sent"]
        assert statuses()[0][1] == "no secret of SECRET_KEY opens it"

    def test_is_a_mail_to_something_that_is_no_address(self, box: Postbox) -> None:
        send(to="ada@engines.test\r\nRCPT TO:<eve@evil.test>")

        mail.deliver_pending()

        assert (the_row().status, box.recipients) == ("dead", [])


def statuses() -> list[tuple[str, str | None]]:
    with db.unit_of_work(writes=False):
        found = db.session().execute(text("SELECT status, last_error FROM mail_outbox ORDER BY id"))
        return [(row.status, row.last_error) for row in found]


class TestRetention:
    def test_ends_the_records_of_what_was_sent(self, box: Postbox, clock: Clock, template: Template) -> None:
        send()
        mail.deliver_pending()
        send(template(text="{{ missing }}"))
        mail.deliver_pending()
        clock.advance(days=29)
        send()
        mail.deliver_pending()
        clock.advance(days=1)

        with db.unit_of_work():
            mail.forget_old()

        assert [(row.status, row.template) for row in rows()] == [("dead", "made-up"), ("sent", "test")]
