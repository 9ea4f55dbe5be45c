import re
import zlib

import pytest

from app.features.api_keys import secret


class TestForm:
    def test_is_prefix_secret_and_checksum(self) -> None:
        prefix, made = secret.make()

        assert re.fullmatch(r"ak_[0-9A-Za-z]{12}", prefix)
        assert re.fullmatch(re.escape(prefix) + r"_[A-Za-z0-9_-]{43}_[0-9A-Za-z]{6}", made)
        assert secret.prefix_of(made) == prefix

    def test_ends_in_the_crc_of_what_comes_before(self) -> None:
        _, made = secret.make()
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

        number = sum(digits.index(digit) * 62**place for place, digit in enumerate(reversed(made[-6:])))

        assert number == zlib.crc32(made[:-7].encode())

    def test_is_new_each_time(self) -> None:
        made = [secret.make() for _ in range(200)]

        assert len({prefix for prefix, _ in made}) == len({whole for _, whole in made}) == 200


class TestTypingErrors:
    @pytest.mark.parametrize("place", [3, 14, 16, 40, 58, 60, 65])
    def test_of_one_sign_are_noticed(self, place: int) -> None:
        _, made = secret.make()
        wrong = made[:place] + ("A" if made[place] != "A" else "B") + made[place + 1 :]

        assert secret.prefix_of(wrong) is None

    @pytest.mark.parametrize("change", [str.upper, str.swapcase, lambda made: made[:-1], lambda made: made + "0"])
    def test_of_the_whole_are_noticed(self, change: object) -> None:
        _, made = secret.make()

        assert callable(change)
        assert secret.prefix_of(change(made)) is None

    @pytest.mark.parametrize(
        "text", ["", "ak_", "ak_" + "a" * 63, "ak_" * 22, "ak_\n", "ák_" + "a" * 63, "\ud800" * 66]
    )
    def test_what_is_no_key_at_all_is_refused(self, text: str) -> None:
        assert secret.prefix_of(text) is None

    def test_a_newline_at_the_end_is_one(self) -> None:
        assert secret.prefix_of(secret.make()[1] + "\n") is None
