"""Commands of ``flask …``: a unit of work around each, failures said in words, exit codes that mean something."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

import click
from flask.cli import AppGroup, with_appcontext

from app.core.errors import Failure
from app.infra import db, migrations, retired

C = TypeVar("C", bound=Callable[..., Any])


def group(name: str, text: str) -> AppGroup:
    """Return a group of commands."""
    return AppGroup(name, help=text)


def command(
    parent: click.Group, name: str, *, unit: bool = True, writes: bool = True
) -> Callable[[Callable[..., Any]], click.Command]:
    """Register a function as a command; it runs in a unit of work unless it opens its own."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def run(*args: Any, **options: Any) -> Any:  # noqa: ANN401 -- whatever the command takes
            try:
                if not unit:
                    return function(*args, **options)
                if writes:
                    retired.refuse()
                if migrations.are_pending():
                    raise click.ClickException("The database is not migrated. Run 'flask init-db'.")
                with db.unit_of_work(writes=writes):
                    return function(*args, **options)
            except Failure as failure:
                raise click.ClickException(in_words(failure)) from failure

        return parent.command(name)(with_appcontext(run))

    return decorate


def in_words(failure: Failure) -> str:
    """Write a failure with its details for a terminal."""
    return "\n".join(
        [
            str(failure),
            *(f"  {field}: {reason}" for field, reasons in failure.details.items() for reason in reasons),
        ]
    )


def of_the_dead(noun: str) -> Callable[[C], C]:
    """Declare ``ids`` and ``everything``: dead ones by their ids, or all."""

    def declare(run: C) -> C:
        every = click.option("--all", "everything", is_flag=True, help=f"Every dead {noun}.")
        return click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)(every(run))

    return declare


def chosen(ids: tuple[UUID, ...], *, everything: bool, noun: str) -> tuple[UUID, ...] | None:
    """Return the ids that were named, None for all; one of the two must be said."""
    if bool(ids) == everything:
        message = f"Name {noun}s by their ids, or say --all."
        raise click.UsageError(message)
    return None if everything else ids
