"""``flask db move``: from SQLite to PostgreSQL by one command, and ``flask db reopen``, which goes back."""

import time

import click
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from app.core.config import Settings
from app.features.audit import service as audit
from app.infra import db, engines, moving, resealing, retired
from app.web.commands import command

MADE_AT_START = frozenset({"audit_head", "roles", "signing_keys", "timetable"})
"""What migrations and a first start put into an empty database; what came from elsewhere takes its place."""


class _Progress:
    """Prints a line when a table is done, and for long ones every few percent."""

    def __init__(self) -> None:
        self._shown = ("", "", -1)

    def __call__(self, what: str, table: str, rows: int, total: int) -> None:
        percent = 100 * rows // total if total else 100
        shown = (what, table, percent // 5)
        if shown != self._shown:
            self._shown = shown
            click.echo(f"{what} {table}: {rows} of {total} rows ({percent} %)", err=True)


def add_to(commands: click.Group, settings: Settings) -> None:
    """Add both commands to ``flask db``."""

    @command(commands, "move", unit=False)
    @click.option(
        "--to", prompt="URL of the empty PostgreSQL", hide_input=True, help="postgresql://user:password@host/name"
    )
    def move(to: str) -> None:
        """Copy every row from SQLite to an empty PostgreSQL, check it, and let the old database only be read.

        Whoever is served meanwhile can read; writes wait, then answer 503. Interrupted, it can be run again. Without
        --to it asks for the URL, which then stands in no list of processes.
        """
        _move(settings, to)

    @command(commands, "reopen", unit=False)
    def reopen() -> None:
        """Use the old database again after a move. It has nothing of what the new one got since."""
        if retired.destination() is None:
            raise click.ClickException("This database was not moved; it is in use.")
        with db.translated(), db.engine().execution_options(**{engines.WRITES: True}).begin() as connection:
            retired.reopen(connection)
        click.echo("Open for writing again. Point DATABASE_URL back at it, and restart.")


def _move(settings: Settings, to: str) -> None:
    target, address = _target(settings, to)
    began = time.monotonic()
    try:
        outcome = moving.move(target, address=address, replaceable=MADE_AT_START, advance=_Progress())
    except moving.NotMoved as failure:
        raise click.ClickException(f"{failure}{_state()}") from None
    finally:
        target.dispose()
    for name, found in outcome.tables.items():
        click.echo(f"{name}: {found.rows} rows, {found}")
    said = "were there already, the same" if outcome.was_there else f"moved in {time.monotonic() - began:.1f} s"
    click.echo(f"{outcome.rows} rows in {len(outcome.tables)} tables {said}: counts and checksums agree.")
    _examine(settings, to)
    click.echo(_NEXT.format(address=address, secret=_secret(settings)))


def _target(settings: Settings, to: str) -> tuple[Engine, str]:
    """Return an engine for the target, and its address without what may be secret."""
    there = _at(settings, to)
    try:
        url = make_url(there.database)
        if url.get_backend_name() != "postgresql":
            raise click.ClickException("--to must be postgresql://user:password@host/name.")
        host = url.host or url.query.get("host", "localhost")
        return engines.create(there), f"postgresql://{host}:{url.port or 5432}/{url.database or ''}"
    except (ArgumentError, ValueError, TypeError):
        raise click.ClickException(
            "--to is not a URL: postgresql://user:password@host/name, with what is not a letter or a digit in the"
            " password written as %40 and the like."
        ) from None


def _at(settings: Settings, url: str) -> Settings:
    """Return the same settings with another database."""
    there = settings.model_copy(update={"database_url": url})
    vars(there).pop("database", None)  # worked out from the old URL, and copied along
    return there


def _examine(settings: Settings, to: str) -> None:
    """Say whether the audit chain holds there, and whether SECRET_KEY opens what is sealed."""
    db.connect(_at(settings, to))
    with db.unit_of_work(writes=False):
        chain = audit.verify()
    sealed = resealing.survey()
    click.echo(f"Audit chain: {chain.rows} rows, {chain.fault or 'unbroken'}. Head: {chain.head or '-'}")
    click.echo(f"Sealed values: {sealed.values}, of which SECRET_KEY does not open {sealed.lost}.")
    if chain.fault:
        click.echo("The chain was broken before: content is the same on both sides. See docs/audit.md.", err=True)


def _state() -> str:
    if retired.destination() is None:
        return "\nThe present database is in use as before."
    return "\nThe present database can only be read now. Run the move again, or 'flask db reopen'."


def _secret(settings: Settings) -> str:
    if settings.secret_key:
        return "Keep SECRET_KEY as it is"
    return f"Set SECRET_KEY to what is in {settings.var_dir / 'secret_key'}"


_NEXT = """
Next:
  1. Set DATABASE_URL to the URL that --to had ({address}).
  2. {secret}: it opens second factors, signing keys and waiting mail.
  3. Restart the service, and run 'flask doctor'.
The old database can only be read now, so that nothing is written to it by mistake. Keep it until you are sure;
'flask db reopen' uses it again, without what the new one got since."""
