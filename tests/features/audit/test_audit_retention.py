"""Old events go from the front, in order, by age; the rest stays verifiable, and nothing else goes."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from app.features.audit import chain, tasks
from app.features.audit import service as audit
from app.features.audit.models import AuditEvent
from app.infra import db
from tests.api import Api, a_role, an_admin
from tests.conftest import Clock
from tests.features.audit.test_audit_chain import tamper, verified, verify
from tests.features.auth.looks import audited
from tests.features.auth.together import at_once
from tests.features.between import coming_between
from tests.world import World

YEARS_AGO, BETWEEN = {"days": 800}, {"days": 500}
"""How far back the story begins, and how long after that its second part follows; the third is of today."""


def numbers() -> list[int]:
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(AuditEvent.seq).order_by(AuditEvent.seq)))


@pytest.fixture
def old(world: World, clock: Clock) -> int:
    """Leave rows that are 800 days old, 300 days old, and new; return how many are oldest."""
    clock.at -= timedelta(**YEARS_AGO)
    for _ in range(6):
        a_role()
    old = len(numbers())
    clock.advance(**BETWEEN)
    for _ in range(3):
        a_role()
    clock.advance(days=300)
    a_role()
    return old


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_IN_ORDER", chain._IN_ORDER.limit(4))


class TestPruning:
    def test_lets_go_of_what_is_beyond_its_time_and_keeps_the_rest(self, old: int) -> None:
        assert audit.prune() == old

        assert numbers() == list(range(old + 1, old + 6))
        assert verified().fault is None

    def test_is_told_by_the_verification(self, world: World, old: int, clock: Clock) -> None:
        head = verified().head
        audit.prune()

        found, printed = verified(), verify(world)

        assert (found.rows, found.begins, found.pruned_at) == (5, old + 1, clock.at)
        assert found.head != head
        assert f"The kept part begins with row {old + 1};" in printed.output
        assert printed.exit_code == 0

    def test_is_recorded(self, old: int) -> None:
        audit.prune()

        (event,) = audited("sensitive_delete")
        assert event.detail == {"audit_events": old}
        assert event.actor is not None
        assert event.actor.type == "operator"

    @pytest.mark.parametrize(("days", "goes"), [(800, False), (799, True)])
    def test_is_as_late_as_the_setting_says(self, world: World, old: int, days: int, goes: bool) -> None:  # noqa: FBT001 -- a case
        world.with_settings(audit_retention_days=days)

        assert audit.prune() == old * goes

    def test_of_nothing_changes_nothing(self, world: World, clock: Clock) -> None:
        a_role()
        before = verified()

        tasks.prune.run()

        assert verified() == before

    def test_goes_on_in_batches_and_on_another_day(self, small_batches: None, old: int, world: World) -> None:
        first = audit.prune()
        world.with_settings(audit_retention_days=299)
        second = audit.prune()

        assert (first, second) == (old, 3)
        assert verified().fault is None
        assert verified().begins == old + 4

    def test_stops_at_the_first_young_row_though_older_ones_follow(self, world: World, clock: Clock) -> None:
        """A clock that was set back leaves an old row behind a young one: order comes before age."""
        a_role()
        young = len(numbers())
        clock.at -= timedelta(**YEARS_AGO)
        a_role()
        clock.advance(**YEARS_AGO)

        assert audit.prune() == 0
        assert len(numbers()) == young + 1

    def test_keeps_the_last_row_so_that_the_head_has_something_to_show(self, world: World, clock: Clock) -> None:
        clock.at -= timedelta(**YEARS_AGO)
        a_role()
        before = len(numbers())
        clock.advance(**YEARS_AGO)

        assert audit.prune() == before - 1
        assert verified().fault is None

    def test_keeps_a_broken_part_as_evidence(self, old: int) -> None:
        tamper("UPDATE audit_events SET outcome = 'failure' WHERE seq = 2")

        with pytest.raises(audit.BrokenChain):
            audit.prune()

        assert numbers()[0] == 1
        assert verified().fault == "row 2 was changed"

    def test_goes_on_where_a_killed_one_stopped(self, small_batches: None, old: int) -> None:
        def dies(_rows: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            audit.prune(advance=dies)
        between = verified()
        audit.prune()

        assert (between.fault, between.begins) == (None, 5)
        assert verified().begins == old + 1

    def test_that_dies_before_its_commit_changed_nothing(self, old: int, monkeypatch: pytest.MonkeyPatch) -> None:
        def dies(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as broken:
            broken.setattr(audit, "record", dies)
            with pytest.raises(KeyboardInterrupt):
                audit.prune()

        assert numbers()[0] == 1
        assert verified().begins == 1

    def test_by_several_at_once_happens_once(self, small_batches: None, old: int) -> None:
        gone = at_once(3, lambda _: audit.prune())

        assert sum(gone) == old
        assert verified().fault is None

    def test_while_others_write_leaves_the_chain_whole(self, small_batches: None, old: int, api: Api) -> None:
        admin = api.as_(an_admin())

        def act(number: int) -> object:
            return audit.prune() if number == 8 else admin.post("/api/v1/roles", {"name": f"role-of-{number}"})

        at_once(9, act)

        found = verified()
        assert (found.fault, found.begins) == (None, old + 1)
        assert len(audited("role_created")) == 4 + 8

    def test_during_a_verification_is_no_fault(self, old: int) -> None:
        with coming_between("before_cursor_execute", ("FROM audit_events",), audit.prune) as pruned:
            found = verified()

        assert pruned.is_set()
        assert (found.fault, found.begins) == (None, old + 1)

    def test_is_a_command(self, world: World, old: int) -> None:
        run = world.app.test_cli_runner().invoke(args=["audit", "prune"])

        assert run.exit_code == 0
        assert f"{old} rows let go.\n" in run.output

    def test_is_refused_in_words_where_the_chain_is_broken(self, world: World, old: int) -> None:
        tamper("UPDATE audit_events SET outcome = 'failure' WHERE seq = 2")

        run = world.app.test_cli_runner().invoke(args=["audit", "prune"])

        assert run.exit_code == 1
        assert "flask audit verify" in run.output


class TestKeptPart:
    def test_that_lost_its_first_row_is_found(self, old: int) -> None:
        audit.prune()

        tamper(f"DELETE FROM audit_events WHERE seq = {old + 1}")  # noqa: S608 -- a number of this test

        assert verified().fault == f"row {old + 1} is missing"

    def test_that_hangs_on_another_hash_is_found(self, old: int) -> None:
        audit.prune()

        tamper("UPDATE audit_head SET pruned_hash = 'x'")

        assert verified().fault == f"row {old + 1} was changed"

    def test_that_claims_to_begin_later_is_found(self, old: int) -> None:
        audit.prune()

        tamper("UPDATE audit_head SET pruned_seq = pruned_seq + 1")

        assert "is before the kept part" in str(verified().fault)

    def test_that_got_a_row_in_front_is_found(self, old: int) -> None:
        audit.prune()

        tamper(f"UPDATE audit_events SET seq = 1 WHERE seq = {old + 1}")  # noqa: S608 -- a number of this test

        assert verified().fault == f"row 1 is before the kept part, which begins with row {old + 1}"
