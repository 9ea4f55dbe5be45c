"""The commands of audit."""

import click

from app.core import clock
from app.features.audit import service as audit
from app.web.commands import command, group

commands = group("audit", "The audit trail.")


@command(commands, "verify", writes=False)
@click.option("--expect", metavar="HASH", help="Head that an earlier verification printed; differing is a failure.")
def verify(expect: str | None) -> None:
    """Find an edited or missing row, and say where the kept part begins. Exits with 1 if there is a fault."""
    found = audit.verify()
    if found.fault:
        message = f"The audit chain is broken: {found.fault}."
        raise click.ClickException(message)
    if expect and expect != found.head:
        message = f"The head is {found.head}, not the expected one."
        raise click.ClickException(message)
    click.echo(f"{found.rows} rows, unbroken. Head: {found.head or '-'}")
    if found.pruned_at is not None:
        when = clock.rfc3339(found.pruned_at)
        click.echo(f"The kept part begins with row {found.begins}; those before it were let go by age, last at {when}.")


@command(commands, "prune", unit=False)
def prune() -> None:
    """Let go of events older than AUDIT_RETENTION_DAYS, oldest first; the chain stays verifiable. Safe to repeat."""
    gone = audit.prune(advance=lambda rows: click.echo(f"{rows} rows let go ...", err=True))
    click.echo(f"{gone} rows let go.")
