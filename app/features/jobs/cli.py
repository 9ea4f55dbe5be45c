"""The commands of jobs."""

from uuid import UUID

import click

from app.core import clock
from app.features.jobs import service as jobs
from app.web.commands import chosen, command, group, of_the_dead

commands = group("jobs", "Work beside the requests: what waits, what is done, what died, what runs by the clock.")


def _show(status: str | None, task: str | None = None) -> None:
    found = jobs.list_records(status=status, task=task)
    for one in found:
        asked, error = clock.rfc3339(one.created_at), one.last_error or ""
        click.echo(f"{one.id}  {one.status:7}  {one.task}  {asked}  tried {one.attempts}  {error}".rstrip())
    if not found:
        click.echo("None.")
    if len(found) == jobs.SHOWN:
        click.echo(f"These are the oldest {jobs.SHOWN}; there may be more.", err=True)


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
@of_the_dead("job")
def retry(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Try dead jobs again: somebody begins within seconds."""
    click.echo(f"{jobs.retry(chosen(ids, everything=everything, noun='job'))} to be tried again.")


@command(commands, "discard")
@of_the_dead("job")
def discard(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Delete dead jobs."""
    click.echo(f"{jobs.discard(chosen(ids, everything=everything, noun='job'))} discarded.")


@command(commands, "timetable", writes=False)
def timetable() -> None:
    """List what runs by the clock: how often, when next, and how it fares."""
    for one in jobs.timetable():
        due = "at once" if one.due_at is None else clock.rfc3339(one.due_at)
        fares = f"failed {one.failures} times in a row  {one.last_error}" if one.failures else "well"
        click.echo(f"{one.task}  every {one.every}  next {due}  {fares}")
