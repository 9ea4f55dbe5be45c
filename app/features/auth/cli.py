"""The commands of auth."""

import secrets
import sys

import click

from app.core.caller import OPERATOR
from app.features.auth import service as auth
from app.web.commands import command, group

commands = group("keys", "The keys that sign tokens.")


@command(commands, "rotate")
def rotate() -> None:
    """Sign with the next key from now on. Tokens of the old one stay good until they expire."""
    click.echo(f"Signing with {auth.rotate_keys()}.")


@command(commands, "reencrypt")
def reencrypt() -> None:
    """Rewrite what is encrypted under the newest SECRET_KEY, so that the oldest can be taken away. Safe to repeat.

    Exits with 1 if something opens with no secret at all: it stays as it is.
    """
    found = auth.reencrypt(advance=lambda values: click.echo(f"{values} values looked at ...", err=True))
    click.echo(f"{found.values} encrypted values, {found.older} of them rewritten under the newest secret.")
    if found.lost:
        raise click.ClickException(f"{found.lost} values open with no secret of SECRET_KEY. They were left alone.")


def register(root: click.Group) -> None:
    """Add the commands that stand beside the groups."""

    @command(root, "create-admin")
    @click.option("--username", prompt="User name")
    @click.option("--email", prompt="E-mail address")
    @click.option("--password", help="Seen by others on this machine; better leave it out and be asked.")
    @click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    def create_admin(username: str, email: str, password: str | None, *, password_stdin: bool) -> None:
        """Create an administrator. Asks for a password, or makes one where nobody can be asked."""
        made = None
        if password_stdin:
            password = sys.stdin.readline().rstrip("\r\n")
        elif password is None and sys.stdin.isatty():
            password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        elif password is None:
            password = made = secrets.token_urlsafe(18)
        user = auth.create_administrator(username=username, email=email, password=password or "")
        click.echo(f"Administrator {user.username} created.")
        if made:
            click.echo(f"Password: {made}")

    @command(root, "mfa-reset")
    @click.argument("name")
    def mfa_reset(name: str) -> None:
        """Remove the second factors of a user, named by user name or address, who lost theirs. Make sure it is them."""
        removed = auth.reset_second_factor_of(name, by=OPERATOR)
        click.echo("Second factors removed." if removed else "There was no second factor.")
