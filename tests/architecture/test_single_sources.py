"""What only one file may do: read the environment, read the clock, end a transaction."""

import tomllib

import pytest

from app.core.permissions import BUILT_IN_ROLES, EVERYTHING, MEANINGS, Permission
from app.core.version import VERSION
from tests.architecture import source

ENVIRONMENT = {"os.environ", "os.getenv", "os.environb", "os.putenv"}

CLOCK = {
    "time.time",
    "time.time_ns",
    "time.gmtime",
    "time.localtime",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.date.today",
}
"""time.monotonic and time.perf_counter are free: they measure how long something takes, not when it is."""

TRANSACTIONS = ("session().commit", "session().rollback", "session.commit", "session.rollback")


def users_of(wanted: set[str]) -> set[str]:
    found = [module for module in source.modules() if wanted & {*source.uses(module), *source.imports(module)}]
    return {module.place for module in found}


class TestSources:
    def test_only_the_settings_read_the_environment(self) -> None:
        assert users_of(ENVIRONMENT) == {"app/core/config.py"}

    def test_only_the_clock_tells_the_time(self) -> None:
        assert users_of(CLOCK) == {"app/core/clock.py"}

    def test_only_the_unit_of_work_ends_a_transaction(self) -> None:
        enders = {
            module.place
            for module in source.modules()
            if any(use.endswith(TRANSACTIONS) for use in source.uses(module))
        }

        assert enders == {"app/infra/db.py"}

    def test_only_infra_opens_connections(self) -> None:
        drivers = {"psycopg", "sqlite3", "redis", "socket", "smtplib", "urllib.request", "http.client"}
        drivers |= {"requests", "urllib3", "authlib.integrations.requests_client"}

        outsiders = {
            module.place
            for module in source.modules()
            for name in source.imports(module)
            if drivers & {name.split(".")[0], name} and not module.name.startswith("app.infra.")
        }

        assert outsiders == set()


class TestVersion:
    def test_is_the_one_of_the_package(self) -> None:
        package = tomllib.loads((source.ROOT / "pyproject.toml").read_text())["project"]

        assert package["version"] == VERSION


class TestPermissions:
    def test_each_has_a_meaning(self) -> None:
        assert set(MEANINGS) == set(Permission)
        assert all(meaning.endswith(".") for meaning in MEANINGS.values())

    @pytest.mark.parametrize("permission", Permission)
    def test_each_is_a_resource_and_an_action(self, permission: Permission) -> None:
        resource, _, action = permission.value.partition(":")

        assert resource.isidentifier()
        assert action.isidentifier()
        assert permission.name == f"{resource}_{action}".upper()

    def test_built_in_roles_hold_only_permissions_that_exist(self) -> None:
        held = {name for _, permissions in BUILT_IN_ROLES.values() for name in permissions}

        assert held == EVERYTHING
