"""The commands of mail."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from app.core import clock, identifiers, mailing
from app.features.mail import service as mail
from app.web.commands import command, group

commands = group("mail", "The outbox: what waits, what left, what died.")

_IDS = click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
_ALL = click.option("--all", "everything", is_flag=True, help="Every dead mail.")


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
@_IDS
@_ALL
def retry(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Send dead mails again: the server tries within seconds."""
    click.echo(f"{_chosen(mail.retry, ids, everything)} to be sent again.")


@command(commands, "discard")
@_IDS
@_ALL
def discard(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Delete dead mails."""
    click.echo(f"{_chosen(mail.discard, ids, everything)} discarded.")


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


def _chosen(act: Callable[[Any], int], ids: tuple[UUID, ...], everything: bool) -> int:  # noqa: FBT001 -- click's flag
    if bool(ids) == everything:
        raise click.UsageError("Name mails by their ids, or say --all.")
    return act(None if everything else ids)
