"""The commands of jobs."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from app.core import clock
from app.features.jobs import service as jobs
from app.web.commands import command, group

commands = group("jobs", "Work beside the requests: what waits, what is done, what died, what runs by the clock.")

_IDS = click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
_ALL = click.option("--all", "everything", is_flag=True, help="Every dead job.")


def _show(status: str | None, task: str | None = None) -> None:
    found = jobs.list_records(status=status, task=task)
    for one in found:
        asked, error = clock.rfc3339(one.created_at), one.last_error or ""
        click.echo(f"{one.id}  {one.status:7}  {one.task}  {asked}  tried {one.attempts}  {error}".rstrip())
    if not found:
        click.echo("None.")


@command(commands, "list", writes=False)
@click.option("--status", type=click.Choice(["pending", "running", "done", "dead"]), help="Only these.")
@click.option("--task", help="Only those of this name.")
def list_all(status: str | None, task: str | None) -> None:
    """List jobs, oldest first; never their arguments."""
    _show(status, task)


@command(commands, "dead", writes=False)
def dead() -> None:
    """List the jobs that no attempt helped, each with the kind of its last error."""
    _show("dead")


@command(commands, "retry")
@_IDS
@_ALL
def retry(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Try dead jobs again: somebody begins within seconds."""
    click.echo(f"{_chosen(jobs.retry, ids, everything)} to be tried again.")


@command(commands, "discard")
@_IDS
@_ALL
def discard(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Delete dead jobs."""
    click.echo(f"{_chosen(jobs.discard, ids, everything)} discarded.")


@command(commands, "timetable", writes=False)
def timetable() -> None:
    """List what runs by the clock: how often, when next, and how it fares."""
    for one in jobs.timetable():
        due = "at once" if one.due_at is None else clock.rfc3339(one.due_at)
        fares = f"failed {one.failures} times in a row  {one.last_error}" if one.failures else "well"
        click.echo(f"{one.task}  every {one.every}  next {due}  {fares}")


def _chosen(act: Callable[[Any], int], ids: tuple[UUID, ...], everything: bool) -> int:  # noqa: FBT001 -- click's flag
    if bool(ids) == everything:
        raise click.UsageError("Name jobs by their ids, or say --all.")
    return act(None if everything else ids)
