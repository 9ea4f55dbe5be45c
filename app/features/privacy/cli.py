"""The commands of privacy."""

import click

from app.features.privacy import service as privacy
from app.infra import personal
from app.web.commands import command, group

commands = group("privacy", "What is held of people.")


@command(commands, "erase")
@click.option("--user", "name", required=True, help="Number, or user name or e-mail address of the living.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(name: str, *, yes: bool) -> None:
    """Erase somebody at once and for good, without waiting for ERASE_AFTER_DAYS."""
    user = privacy.find(name)
    if not yes:
        click.confirm(f"Erase user {user.id} ({user.username}) for good?", abort=True)
    erased = privacy.erase(user.id)
    click.echo(f"User {user.id} is erased." if erased else f"User {user.id} was erased before.")


@command(commands, "erase-due", unit=False)
def erase_due() -> None:
    """Erase everybody who was deleted ERASE_AFTER_DAYS ago, as the timetable does. Safe to repeat."""
    click.echo(f"{privacy.erase_due()} erased.")


@command(commands, "columns", unit=False)
def columns() -> None:
    """Write down the columns that hold personal data, as in docs/personal-data.md."""
    click.echo(personal.described())
