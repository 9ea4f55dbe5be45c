"""The commands of accounts."""

import click

from app.features.accounts import service as accounts
from app.web.commands import command


def register(root: click.Group) -> None:
    """Add the commands that stand beside the groups."""

    @command(root, "seed")
    @click.option("--users", type=click.IntRange(0, 10_000_000), default=100, show_default=True, help="How many.")
    def seed(users: int) -> None:
        """Insert made-up users without passwords, for trying things at size."""
        with click.progressbar(length=users, label="Users") as bar:
            accounts.seed(users, advance=bar.update)
        click.echo(f"{users} users inserted.")
