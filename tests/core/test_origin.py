from contextvars import copy_context

from app.core import origin
from app.core.ids import UUID
from app.core.origin import Origin


class TestCurrent:
    def test_gives_work_that_came_from_nowhere_an_id_of_its_own(self) -> None:
        made = copy_context().run(origin.current)

        assert UUID(made.request_id).version == 7
        assert made.ip is None

    def test_is_the_same_throughout_the_work(self) -> None:
        def work() -> tuple[Origin, Origin]:
            return origin.current(), origin.current()

        first, second = copy_context().run(work)

        assert first is second


class TestBegin:
    def test_is_over_when_it_ends(self) -> None:
        def work() -> tuple[Origin | None, Origin | None]:
            token = origin.begin(Origin("outer-request"))
            inner = origin.begin(Origin("inner-request"))
            origin.end(inner)
            after_inner = origin.find()
            origin.end(token)
            return after_inner, origin.find()

        after_inner, after_all = copy_context().run(work)

        assert after_inner is not None
        assert after_inner.request_id == "outer-request"
        assert after_all is not after_inner
