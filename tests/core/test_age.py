import pyrage  # type: ignore[import-untyped]  # it has no types
from hypothesis import given
from hypothesis import strategies as st

from app.core import age
from app.core.keyring import Keyring


class TestIdentity:
    @given(st.binary(min_size=32, max_size=32))
    def test_is_what_age_reads_and_writes_itself(self, key: bytes) -> None:
        written = age.identity(key)

        assert str(pyrage.x25519.Identity.from_str(written)) == written


class TestIdentities:
    def test_begin_with_those_that_are_given_and_go_on_with_one_of_each_secret(self) -> None:
        older, both = Keyring(["older"]), Keyring(["newer", "older"])

        found = age.identities(["given"], both)

        assert found[0] == "given"
        assert found[2:] == age.identities([], older)
        assert len(set(found)) == 3
