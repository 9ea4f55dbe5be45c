"""The commands of mail."""

from uuid import UUID

import click

from app.core import clock, identifiers, mailing
from app.features.mail import service as mail
from app.web.commands import chosen, command, group, of_the_dead

commands = group("mail", "The outbox: what waits, what left, what died.")


def _show(status: str | None) -> None:
    found = mail.list_records(status=status)
    for one in found:
        written, reason = clock.rfc3339(one.created_at), one.last_error or ""
        click.echo(f"{one.id}  {one.status:7}  {one.template}  {written}  tried {one.attempts}  {reason}".rstrip())
    if not found:
        click.echo("None.")


@command(commands, "list", writes=False)
@click.option("--status", type=click.Choice(["pending", "sent", "dead"]), help="Only these.")
def list_all(status: str | None) -> None:
    """List mails, oldest first; never to whom they go."""
    _show(status)


@command(commands, "dead", writes=False)
def dead() -> None:
    """List the mails that no server took, each with the reason."""
    _show("dead")


@command(commands, "retry")
@of_the_dead("mail")
def retry(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Send dead mails again: the server tries within seconds."""
    click.echo(f"{mail.retry(chosen(ids, everything=everything, noun='mail'))} to be sent again.")


@command(commands, "discard")
@of_the_dead("mail")
def discard(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Delete dead mails."""
    click.echo(f"{mail.discard(chosen(ids, everything=everything, noun='mail'))} discarded.")


@command(commands, "test")
@click.argument("address")
def test(address: str) -> None:
    """Send a mail to see whether mail arrives. What becomes of it stands in 'flask mail list'."""
    try:
        mailing.in_ascii(address)
    except ValueError as error:
        raise click.BadParameter(identifiers.NOT_AN_EMAIL, param_hint="ADDRESS") from error
    mail.send("test", to=address)
    click.echo("It is in the outbox; the server sends it within seconds.")
