from uuid import RFC_4122

from app.core.ids import BIGGEST, UUID, uuid7, uuid7_text


class TestUuid7:
    def test_is_version_7(self) -> None:
        made = uuid7()

        assert (made.version, made.variant) == (7, RFC_4122)

    def test_sorts_by_the_time_it_was_made(self) -> None:
        made = [uuid7() for _ in range(1000)]

        assert made == sorted(made)

    def test_is_never_the_same_twice(self) -> None:
        assert len({uuid7() for _ in range(1000)}) == 1000

    def test_is_the_uuid_of_the_standard_library(self) -> None:
        assert type(uuid7()) is UUID


class TestUuid7Text:
    def test_is_version_7(self) -> None:
        assert UUID(uuid7_text()).version == 7

    def test_is_written_with_hyphens_in_lower_case(self) -> None:
        made = uuid7_text()

        assert made == str(UUID(made))


def test_the_biggest_id_fits_64_bits_with_a_sign() -> None:
    assert BIGGEST == 9_223_372_036_854_775_807
