"""The commands of backups."""

from pathlib import Path

import click

from app.core import clock
from app.features.backups import service as backups
from app.features.backups.service import Listed, Restored
from app.web.commands import command, group

commands = group("backup", "Copies of the database and the files.")


def _say(text: str) -> None:
    click.echo(text, err=True)


@command(commands, "create", unit=False)
def create() -> None:
    """Write an encrypted backup to BACKUP_DIR, and delete those older than BACKUP_RETENTION_DAYS."""
    made = backups.create(advance=_say)
    click.echo(f"{made.name}: {made.size} bytes, {made.rows} rows, {made.files} files, {made.seconds:.1f} s.")
    if made.pruned:
        click.echo(f"{made.pruned} older ones were deleted.")


@command(commands, "list", unit=False)
def show() -> None:
    """Show what lies in BACKUP_DIR, newest first. Needs no database."""
    found = list(backups.list_backups())
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("There is no backup in BACKUP_DIR.")


@command(commands, "verify", unit=False)
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Restore a backup on trial, the newest if none is named, and examine it. Exits with 1 if it is not whole."""
    found = backups.verify(name, advance=_say)
    click.echo(f"{found.manifest.name} restores: {_described(found)}")
    if not found.noted:
        click.echo("No database took note of it.", err=True)


@command(commands, "restore", unit=False)
@click.argument("name")
@click.option("--without-secrets", is_flag=True, help="Although SECRET_KEY is another: encrypted columns are lost.")
def restore(name: str, *, without_secrets: bool) -> None:
    """Restore a backup (a name in BACKUP_DIR, or a path) into this instance, which must be empty and stopped."""
    found = backups.restore(name, without_secrets=without_secrets, advance=_say)
    click.echo(f"Restored what was there at {clock.rfc3339(found.manifest.created_at)}: {_described(found)}")
    if found.erased:
        click.echo(f"{found.erased} people who had been erased since were erased again.")
    click.echo("Run 'flask doctor', empty Redis if there is one, then start the service.")


@command(commands, "finish", unit=False)
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def finish(manifest: Path) -> None:
    """After a backup was restored by hand: erase again who was erased since. Takes its manifest.json."""
    click.echo(f"{backups.finish(manifest)} people who had been erased since were erased again.")


@command(commands, "prune", unit=False)
def prune() -> None:
    """Delete backups older than BACKUP_RETENTION_DAYS, but not the newest, nor the newest that was verified."""
    click.echo(f"{len(backups.prune())} backups were deleted.")


@command(commands, "key", unit=False)
def key() -> None:
    """Print the secret age key that opens new backups, to be kept where the backups are not."""
    click.echo(backups.key())


def _line(one: Listed) -> str:
    verified = f"verified {clock.rfc3339(one.verified_at)}" if one.verified_at else "not verified"
    inside = f"revision {one.manifest.revision} of {one.manifest.kind}" if one.manifest else f"unreadable: {one.fault}"
    if one.manifest and one.manifest.name != one.name:
        inside += f", renamed: it was {one.manifest.name}"
    return f"{one.name}  {clock.rfc3339(one.created_at)}  {one.size:>12} bytes  {inside}  {verified}"


def _described(found: Restored) -> str:
    told = found.manifest
    lost = f" {found.lost} encrypted values open with no secret of SECRET_KEY." if found.lost else ""
    return (
        f"{sum(told.rows.values())} rows of {len(told.rows)} tables, {told.files} files, now at revision"
        f" {found.revision}; {found.audit_rows} audit events, unbroken, head {found.audit_head or '-'};"
        f" {found.seconds:.1f} s.{lost}"
    )
