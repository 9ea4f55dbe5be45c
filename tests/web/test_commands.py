from typing import NoReturn

import click
import pytest
from click.testing import Result

from app.core.caller import OPERATOR
from app.core.errors import Conflict, Invalid, NotFound
from app.core.paging import PageRequest
from app.features.access import service as access
from app.infra import db
from app.web import caller
from app.web.commands import command, group, in_words
from tests.world import World


@pytest.fixture
def commands() -> click.Group:
    return group("rockets", "Build and launch.")


def run(world: World, commands: click.Group, *words: str) -> Result:
    return world.app.test_cli_runner().invoke(commands, words)


def role_names() -> set[str]:
    with db.unit_of_work(writes=False):
        return {str(role.name) for role in access.list_roles(page=PageRequest(per_page=100)).items}


class TestCommand:
    def test_runs_as_whoever_runs_the_machine(self, world: World, commands: click.Group) -> None:
        @command(commands, "who")
        def who() -> None:
            """Say who is calling."""
            click.echo("trusted" if caller.current() is OPERATOR else "a stranger")

        result = run(world, commands, "who")

        assert (result.exit_code, result.output) == (0, "trusted\n")

    def test_commits_what_it_did(self, world: World, commands: click.Group) -> None:
        @command(commands, "make")
        @click.argument("name")
        def make(name: str) -> None:
            """Make a role."""
            access.create_role(name=name, description="", permissions=[], by=OPERATOR)

        result = run(world, commands, "make", "pilot")

        assert result.exit_code == 0
        assert "pilot" in role_names()

    def test_rolls_back_what_it_did_when_it_fails(self, world: World, commands: click.Group) -> None:
        @command(commands, "make")
        def make() -> NoReturn:
            """Make a role, almost."""
            access.create_role(name="pilot", description="", permissions=[], by=OPERATOR)
            raise NotFound

        result = run(world, commands, "make")

        assert result.exit_code == 1
        assert "pilot" not in role_names()

    def test_says_failures_in_words(self, world: World, commands: click.Group) -> None:
        @command(commands, "fail")
        def fail() -> NoReturn:
            """Fail."""
            raise Conflict("Another rocket has this name.")

        result = run(world, commands, "fail")

        assert (result.exit_code, result.output) == (1, "Error: Another rocket has this name.\n")

    def test_says_them_also_of_a_command_with_units_of_its_own(self, world: World, commands: click.Group) -> None:
        @command(commands, "fail", unit=False)
        def fail() -> NoReturn:
            """Fail."""
            raise Conflict("Another rocket has this name.")

        assert run(world, commands, "fail").output == "Error: Another rocket has this name.\n"

    def test_leaves_the_units_to_those_that_open_their_own(self, world: World, commands: click.Group) -> None:
        @command(commands, "many", unit=False)
        def many() -> None:
            """Make two roles, one after the other."""
            for name in ("pilot", "navigator"):
                with db.unit_of_work():
                    access.create_role(name=name, description="", permissions=[], by=OPERATOR)

        result = run(world, commands, "many")

        assert result.exit_code == 0
        assert {"pilot", "navigator"} <= role_names()

    def test_that_only_reads_cannot_write(self, world: World, commands: click.Group) -> None:
        @command(commands, "look", writes=False)
        def look() -> None:
            """Write all the same."""
            access.create_role(name="pilot", description="", permissions=[], by=OPERATOR)

        result = run(world, commands, "look")

        assert result.exit_code == 1
        assert "pilot" not in role_names()

    def test_does_not_hide_a_fault_of_ours(self, world: World, commands: click.Group) -> None:
        @command(commands, "fail")
        def fail() -> NoReturn:
            """Fail in a way that nobody foresaw."""
            raise ZeroDivisionError

        assert isinstance(run(world, commands, "fail").exception, ZeroDivisionError)

    def test_has_help(self, world: World, commands: click.Group) -> None:
        @command(commands, "launch")
        def launch() -> None:
            """Launch a rocket."""

        assert "Launch a rocket." in run(world, commands, "launch", "--help").output
        assert "Build and launch." in run(world, commands, "--help").output

    def test_refuses_what_it_does_not_know(self, world: World, commands: click.Group) -> None:
        @command(commands, "launch")
        def launch() -> None:
            """Launch a rocket."""

        assert run(world, commands, "launch", "--sideways").exit_code == 2


class TestInWords:
    def test_lists_what_is_wrong_with_each_field(self) -> None:
        failure = Invalid("Look again.", details={"email": ["Not one.", "Too long."], "name": ["Taken."]})

        assert in_words(failure) == "Look again.\n  email: Not one.\n  email: Too long.\n  name: Taken."

    def test_is_the_message_alone_without_details(self) -> None:
        assert in_words(NotFound()) == NotFound.message
