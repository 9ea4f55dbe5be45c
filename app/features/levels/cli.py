"""The commands of levels."""

import re
from datetime import timedelta
from typing import Any

import click

from app.core import clock
from app.features.levels import service as levels
from app.features.levels.service import LEVELS, Override
from app.web.commands import command, group

commands = group("logs", "Levels of single loggers, for a time, in every process of every instance.")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:  # noqa: ANN401 -- click's
        found = re.fullmatch(r"(\d{1,6})([smh])", value)
        if found is None:
            self.fail("write it as 90s, 15m or 2h", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


@command(commands, "level")
@click.argument("logger")
@click.argument("level", type=click.Choice(LEVELS, case_sensitive=False))
@click.option("--for", "lasts", type=_Duration(), default="15m", show_default=True, help="90s, 15m, 2h; 24h at most.")
def level(logger: str, level: str, lasts: timedelta) -> None:
    """Let LOGGER, 'app.features.auth' say, write from LEVEL on; it goes back by itself. Heard within seconds."""
    _show(levels.change(logger, level, lasts=lasts))


@command(commands, "list", writes=False)
def list_all() -> None:
    """List the loggers that have another level now."""
    found = levels.current()
    for one in found:
        _show(one)
    if not found:
        click.echo("None.")


@command(commands, "reset")
@click.argument("logger", required=False)
def reset(logger: str | None) -> None:
    """Give LOGGER, or all of them, back their usual level."""
    for name in levels.reset(logger) or ["None."]:
        click.echo(name)


def _show(one: Override) -> None:
    click.echo(f"{one.logger}  {one.level}  until {clock.rfc3339(one.until)}")
