import re

from app.core.caller import ANONYMOUS, OPERATOR, Caller
from app.core.permissions import ADMIN, BUILT_IN_ROLES, EVERYTHING, MEANINGS, USER, Permission, known


class TestPermission:
    def test_is_named_resource_and_action(self) -> None:
        wrong = [name for name in Permission if not re.fullmatch(r"[a-z]+:[a-z]+", name)]

        assert wrong == []

    def test_has_a_meaning_each(self) -> None:
        assert set(MEANINGS) == set(Permission)
        assert all(text.endswith(".") for text in MEANINGS.values())


class TestBuiltInRoles:
    def test_are_two(self) -> None:
        assert set(BUILT_IN_ROLES) == {ADMIN, USER} == {"admin", "user"}

    def test_let_the_administrator_do_everything(self) -> None:
        assert BUILT_IN_ROLES[ADMIN][1] == set(Permission)

    def test_give_a_user_nothing_of_others(self) -> None:
        assert BUILT_IN_ROLES[USER][1] == frozenset()


class TestKnown:
    def test_keeps_what_this_version_knows(self) -> None:
        assert known({"users:read", "roles:read"}) == {"users:read", "roles:read"}

    def test_drops_what_was_removed_since(self) -> None:
        assert known({"users:read", "rockets:launch"}) == {"users:read"}


class TestHolds:
    def test_asks_for_all_of_them(self) -> None:
        caller = Caller(permissions=frozenset({"users:read"}))

        assert caller.holds({Permission.USERS_READ})
        assert not caller.holds({Permission.USERS_READ, Permission.USERS_WRITE})

    def test_is_false_for_nobody(self) -> None:
        assert not any(ANONYMOUS.holds({permission}) for permission in Permission)

    def test_is_true_for_whoever_runs_the_machine(self) -> None:
        assert OPERATOR.holds(EVERYTHING)
