"""The commands of audit."""

import click

from app.features.audit import service as audit
from app.web.commands import command, group

commands = group("audit", "The audit trail.")


@command(commands, "verify", writes=False)
@click.option("--expect", metavar="HASH", help="Head that an earlier verification printed; differing is a failure.")
def verify(expect: str | None) -> None:
    """Find an edited or missing row. Exits with 1 if there is one."""
    found = audit.verify()
    if found.fault:
        message = f"The audit chain is broken: {found.fault}."
        raise click.ClickException(message)
    if expect and expect != found.head:
        message = f"The head is {found.head}, not the expected one."
        raise click.ClickException(message)
    click.echo(f"{found.rows} rows, unbroken. Head: {found.head or '-'}")
