"""flask mail: what operators see of the outbox, and do about dead letters."""

from uuid import uuid4

import pytest
from flask.testing import FlaskCliRunner

from app.features.mail import service as mail
from tests.features.auth.looks import audited
from tests.features.mail.conftest import rows, send, the_row
from tests.postbox import Postbox
from tests.world import World


@pytest.fixture
def run(world: World, box: Postbox) -> FlaskCliRunner:
    return world.app.test_cli_runner()


def a_dead_mail(box: Postbox) -> str:
    """Return the id of a mail that the server refused."""
    send()
    box.answers["RCPT"] = "550 5.1.1 <ada@engines.test> unknown"
    mail.deliver_pending()
    box.answers.clear()
    return str(rows()[-1].id)


class TestList:
    def test_shows_every_mail_and_nobody_s_address(self, run: FlaskCliRunner, box: Postbox) -> None:
        dead = a_dead_mail(box)
        send(link="http://carboy.test/reset?token=canary")

        result = run.invoke(args=["mail", "list"])

        first, second = result.output.splitlines()
        assert first.startswith(f"{dead}  dead     test  ")
        assert first.endswith("tried 1  the server refused the recipient (550 5.1.1)")
        assert second.startswith(f"{rows()[1].id}  pending  test  ")
        assert "engines.test" not in result.output
        assert "canary" not in result.output

    def test_shows_those_of_a_status(self, run: FlaskCliRunner, box: Postbox) -> None:
        dead = a_dead_mail(box)
        send()

        assert run.invoke(args=["mail", "dead"]).output.split()[0] == dead
        assert run.invoke(args=["mail", "list", "--status", "pending"]).output.split()[0] == str(rows()[1].id)

    def test_says_so_when_there_is_none(self, run: FlaskCliRunner) -> None:
        assert run.invoke(args=["mail", "dead"]).output == "None.\n"


class TestRetry:
    def test_gives_a_dead_mail_its_attempts_back(self, run: FlaskCliRunner, box: Postbox) -> None:
        dead = a_dead_mail(box)

        result = run.invoke(args=["mail", "retry", dead])
        waiting = the_row()
        mail.deliver_pending()

        assert (result.exit_code, result.output) == (0, "1 to be sent again.\n")
        assert (waiting.status, waiting.attempts, waiting.last_error) == ("pending", 0, None)
        assert box.ids == [f"<{dead}@carboy.test>"]

    def test_gives_it_to_all_of_them(self, run: FlaskCliRunner, box: Postbox) -> None:
        a_dead_mail(box)
        a_dead_mail(box)

        result = run.invoke(args=["mail", "retry", "--all"])

        assert result.output == "2 to be sent again.\n"
        assert [row.status for row in rows()] == ["pending", "pending"]

    def test_is_audited(self, run: FlaskCliRunner, box: Postbox) -> None:
        dead = a_dead_mail(box)

        run.invoke(args=["mail", "retry", dead])

        (event,) = audited("mail_retried")
        assert event.target is not None
        assert (event.target.id, event.detail) == (dead, {"template": "test"})
        assert event.actor is not None
        assert event.actor.type == "operator"


class TestDiscard:
    def test_deletes_a_dead_mail_alone(self, run: FlaskCliRunner, box: Postbox) -> None:
        dead, other = a_dead_mail(box), a_dead_mail(box)

        result = run.invoke(args=["mail", "discard", dead])

        assert (result.exit_code, result.output) == (0, "1 discarded.\n")
        assert [str(row.id) for row in rows()] == [other]

    def test_deletes_all_of_them_and_no_other_mail(self, run: FlaskCliRunner, box: Postbox) -> None:
        a_dead_mail(box)
        a_dead_mail(box)
        send()

        run.invoke(args=["mail", "discard", "--all"])

        assert the_row().status == "pending"

    def test_is_audited(self, run: FlaskCliRunner, box: Postbox) -> None:
        dead = a_dead_mail(box)

        run.invoke(args=["mail", "discard", "--all"])

        (event,) = audited("mail_discarded")
        assert event.target is not None
        assert event.target.id == dead


class TestRefusal:
    @pytest.mark.parametrize("verb", ["retry", "discard"])
    @pytest.mark.parametrize("more", [[], ["--all", str(uuid4())]], ids=["nothing", "both"])
    def test_wants_to_know_which(self, run: FlaskCliRunner, verb: str, more: list[str]) -> None:
        result = run.invoke(args=["mail", verb, *more])

        assert result.exit_code == 2
        assert "Name mails by their ids, or say --all." in result.output

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_touches_no_mail_that_lives_and_then_none_at_all(
        self, run: FlaskCliRunner, box: Postbox, verb: str
    ) -> None:
        dead = a_dead_mail(box)
        send()

        result = run.invoke(args=["mail", verb, dead, str(rows()[1].id)])

        assert result.exit_code == 1
        assert "There is no dead mail of that id." in result.output
        assert [row.status for row in rows()] == ["dead", "pending"]


class TestTest:
    def test_puts_a_mail_into_the_outbox(self, run: FlaskCliRunner, box: Postbox) -> None:
        result = run.invoke(args=["mail", "test", "ada@engines.test"])
        mail.deliver_pending()

        assert result.exit_code == 0
        assert box.subjects == ["A test of mail from carboy"]

    @pytest.mark.parametrize("address", ["", "ada", "ada@", "ada@engines.test\nBcc: all@engines.test"])
    def test_refuses_what_is_no_address(self, run: FlaskCliRunner, box: Postbox, address: str) -> None:
        result = run.invoke(args=["mail", "test", address])

        assert result.exit_code == 2
        assert "This is not a valid e-mail address." in result.output
        assert rows() == []
