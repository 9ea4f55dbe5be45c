"""The commands that stand above the features: serve, db, init-db, doctor, settings."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from alembic import command as alembic
from alembic.util import CommandError
from flask import Flask

from app.core.config import Settings
from app.infra import cache, db, migrations, redis
from app.main import doctor, moving, serving, settings_reference, starting
from app.web.commands import command, group


def install(app: Flask, settings: Settings) -> None:
    """Add the commands to ``flask``."""
    database = _database()
    moving.add_to(database, settings)
    app.cli.add_command(database)
    app.cli.add_command(_cache())
    _add_serve(app.cli, settings)
    _add_init(app.cli)
    _add_doctor(app.cli, settings)
    _add_settings(app.cli)


def _database() -> click.Group:
    commands = group("db", "The schema of the database.")

    @command(commands, "upgrade", unit=False)
    @click.argument("revision", default="head")
    def upgrade(revision: str) -> None:
        """Migrate forwards."""
        with _alembic_in_words():
            migrations.upgrade(revision)
        if not migrations.are_pending():
            starting.bootstrap()
        click.echo(f"At {migrations.current()}.")

    @command(commands, "downgrade", unit=False)
    @click.argument("revision", default="-1")
    def downgrade(revision: str) -> None:
        """Migrate backwards, by one or to a revision."""
        with _alembic_in_words():
            migrations.downgrade(revision)
        click.echo(f"At {migrations.current() or 'nothing'}.")

    @command(commands, "migrate", unit=False)
    @click.option("-m", "--message", required=True, help="What the migration does.")
    def migrate(message: str) -> None:
        """Write a migration from the difference between models and database. Read it before you keep it."""
        with _alembic_in_words(), db.engine().connect() as connection:
            number = int(migrations.head() or 0) + 1
            alembic.revision(migrations.config(connection), message, autogenerate=True, rev_id=f"{number:04}")

    @command(commands, "current", unit=False)
    def current() -> None:
        """Show the revision of the database."""
        click.echo(migrations.current() or "nothing")

    @command(commands, "history", unit=False)
    def history() -> None:
        """List the revisions."""
        alembic.history(migrations.config(), indicate_current=False)

    return commands


def _cache() -> click.Group:
    commands = group("cache", "What is remembered on Redis for some seconds.")

    @command(commands, "clear", unit=False)
    def clear() -> None:
        """Forget everything that is kept. Safe at any time: it is computed anew when it is asked for."""
        try:
            click.echo(f"Forgot {cache.clear()} values.")
        except redis.RedisAway as error:
            raise click.ClickException("Redis does not answer.") from error

    return commands


@contextmanager
def _alembic_in_words() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise click.ClickException(str(error)) from error


def _add_serve(root: click.Group, settings: Settings) -> None:
    @command(root, "serve", unit=False)
    @click.option("--reload", is_flag=True, help="Restart when the code changes.")
    def serve(*, reload: bool) -> None:
        """Serve until Ctrl-C: migrates first in development, refuses pending migrations in production."""
        serving.serve(settings, reload=reload)


def _add_init(root: click.Group) -> None:
    @command(root, "init-db", unit=False)
    def init_db() -> None:
        """Create or migrate the tables, the built-in roles and the signing keys. Safe to repeat."""
        migrations.upgrade()
        starting.bootstrap()
        click.echo(f"The database is at {migrations.current()}.")


def _add_doctor(root: click.Group, settings: Settings) -> None:
    @command(root, "doctor", unit=False)
    def examine() -> None:
        """Say what is set, what is reachable and what is unsafe. Exits with 1 if something must be mended."""
        findings = doctor.examine(settings)
        for finding in findings:
            click.echo(f"{finding.mark} {finding.text}")
        if any(finding.is_fault for finding in findings):
            raise SystemExit(1)


def _add_settings(root: click.Group) -> None:
    @command(root, "settings", unit=False)
    @click.option("--env", "as_env", is_flag=True, help="Write .env.example instead of docs/configuration.md.")
    def describe(*, as_env: bool) -> None:
        """Write down every setting: its kind, its default, its meaning."""
        settings = settings_reference.described(Settings)
        write = settings_reference.as_env if as_env else settings_reference.as_markdown
        click.echo(write(settings), nl=False)
