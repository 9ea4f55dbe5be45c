import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing import get_context
from threading import Event, Semaphore

import argon2
import bcrypt
import pytest

from app.core import passwords
from app.core.passwords import Hasher

COMPOSED, DECOMPOSED = "Caf\u00e9-Number-7", "Cafe\u0301-Number-7"
UNREADABLE = [
    pytest.param("", id="nothing"),
    pytest.param("plain", id="plain text"),
    pytest.param("$argon2id$garbage", id="argon2 in name only"),
    pytest.param("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ", id="argon2 cut short"),
    pytest.param("$argon2id$v=19$m=99999999999,t=1,p=1$c2FsdHNhbHQ$aGFzaA", id="argon2 of absurd memory"),
    pytest.param("$2b$garbage", id="bcrypt in name only"),
    pytest.param("$2b$04$" + "a" * 53, id="bcrypt with a wrong salt"),
    pytest.param("$1$salt$hash", id="another algorithm"),
    pytest.param("$2b$04$\u00e9", id="no ASCII"),
]


@pytest.fixture(scope="module")
def hasher() -> Hasher:
    return Hasher(memory_kib=8, time_cost=1)


class TestHash:
    def test_is_argon2id_with_the_parameters_that_were_set(self) -> None:
        stored = Hasher(memory_kib=16, time_cost=2).hash("secret")

        assert stored.startswith("$argon2id$v=19$m=16,t=2,p=1$")

    def test_is_salted(self, hasher: Hasher) -> None:
        assert hasher.hash("secret") != hasher.hash("secret")

    def test_truncates_nothing(self, hasher: Hasher) -> None:
        stored = hasher.hash("x" * 127 + "y")

        assert hasher.verify("x" * 127 + "y", stored)[0]
        assert not hasher.verify("x" * 127 + "z", stored)[0]


class TestVerify:
    def test_accepts_the_right_password(self, hasher: Hasher) -> None:
        assert hasher.verify("secret", hasher.hash("secret")) == (True, None)

    @pytest.mark.parametrize("wrong", ["", "Secret", "secret ", "secret\0"])
    def test_refuses_any_other(self, hasher: Hasher, wrong: str) -> None:
        assert hasher.verify(wrong, hasher.hash("secret")) == (False, None)

    @pytest.mark.parametrize(("kept", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
    def test_takes_the_same_visible_text_for_the_same_password(self, hasher: Hasher, kept: str, typed: str) -> None:
        assert hasher.verify(typed, hasher.hash(kept))[0]

    def test_refuses_everything_for_an_account_without_password(self, hasher: Hasher) -> None:
        assert hasher.verify("what nobody's password is compared with", None) == (False, None)

    @pytest.mark.parametrize("stored", UNREADABLE)
    def test_takes_a_hash_that_cannot_be_read_for_a_wrong_password(self, hasher: Hasher, stored: str) -> None:
        assert hasher.verify("secret", stored) == (False, None)

    def test_offers_a_better_hash_when_parameters_were_raised(self, hasher: Hasher) -> None:
        stronger = Hasher(memory_kib=16, time_cost=1)

        right, better = stronger.verify("secret", hasher.hash("secret"))

        assert right
        assert better is not None
        assert better.startswith("$argon2id$v=19$m=16,")
        assert stronger.verify("secret", better) == (True, None)

    def test_offers_nothing_to_a_wrong_password(self, hasher: Hasher) -> None:
        assert Hasher(memory_kib=16, time_cost=1).verify("wrong", hasher.hash("secret")) == (False, None)


class TestBcrypt:
    def test_hashes_of_elsewhere_are_accepted_and_upgraded(self, hasher: Hasher) -> None:
        stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()

        right, better = hasher.verify("secret", stored)

        assert right
        assert better is not None
        assert better.startswith("$argon2id$")
        assert hasher.verify("secret", better) == (True, None)

    def test_refuses_the_wrong_password(self, hasher: Hasher) -> None:
        stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()

        assert hasher.verify("Secret", stored) == (False, None)

    def test_reads_72_bytes(self, hasher: Hasher) -> None:
        stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()

        assert hasher.verify("x" * 72, stored)[0]

    @pytest.mark.parametrize("typed", ["x" * 73, "\u00e9" * 37], ids=["73 letters", "37 letters of two bytes"])
    def test_takes_more_than_72_bytes_for_a_wrong_password(self, hasher: Hasher, typed: str) -> None:
        stored = bcrypt.hashpw(typed.encode()[:72], bcrypt.gensalt(4)).decode()

        assert hasher.verify(typed, stored) == (False, None)


class TestEqualWork:
    """Who has no account costs the same hashing as who has one: time must not tell them apart."""

    @pytest.fixture
    def verified(self, monkeypatch: pytest.MonkeyPatch) -> list[argon2.Parameters]:
        """Remember the parameters of each verification that the library makes."""
        seen: list[argon2.Parameters] = []
        verify = argon2.PasswordHasher.verify

        def spy(self: argon2.PasswordHasher, stored: str, password: str) -> bool:
            seen.append(argon2.extract_parameters(stored))
            return verify(self, stored, password)

        monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
        return seen

    def test_is_one_hashing_with_the_same_parameters_for_known_and_unknown(
        self, hasher: Hasher, verified: list[argon2.Parameters]
    ) -> None:
        stored = hasher.hash("secret")

        hasher.verify("wrong", stored)
        hasher.verify("wrong", None)

        assert len(verified) == 2
        assert verified[0] == verified[1] == argon2.extract_parameters(stored)

    @pytest.mark.parametrize(
        "stored",
        [
            pytest.param("", id="nothing"),
            pytest.param("$argon2id$garbage", id="argon2 in name only"),
            pytest.param("$2b$garbage", id="bcrypt in name only"),
            pytest.param("$2b$04$" + "a" * 53, id="bcrypt with a wrong salt"),
        ],
    )
    def test_is_one_hashing_for_a_hash_that_cannot_be_read(
        self, hasher: Hasher, verified: list[argon2.Parameters], stored: str
    ) -> None:
        hasher.verify("wrong", stored)

        assert verified == [argon2.extract_parameters(hasher.hash("any"))]

    def test_is_one_hashing_for_more_than_bcrypt_reads(self, hasher: Hasher, verified: list[argon2.Parameters]) -> None:
        stored = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()

        hasher.verify("x" * 73, stored)

        assert len(verified) == 1


class TestSlots:
    """No more hashings at a time than cores, so that other requests go on."""

    @pytest.fixture
    def let_go(self) -> Iterator[Event]:
        """Keep as many threads busy as there are cores, until this is set."""
        let_go, begun, cores = Event(), Semaphore(0), os.cpu_count() or 1

        def hold() -> None:
            begun.release()
            let_go.wait(10)

        for _ in range(cores):
            passwords._threads.submit(hold)
        assert all(begun.acquire(timeout=10) for _ in range(cores))
        yield let_go
        let_go.set()

    @pytest.mark.parametrize("work", ["hash", "verify"])
    def test_let_hashings_wait_for_a_free_one(self, hasher: Hasher, let_go: Event, work: str) -> None:
        with ThreadPoolExecutor(1) as pool:
            future: Future[object] = (
                pool.submit(hasher.hash, "x") if work == "hash" else pool.submit(hasher.verify, "x", None)
            )
            finished_early, _ = wait([future], timeout=0.05)
            let_go.set()

            assert finished_early == set()
            assert future.result(timeout=10)

    def test_are_there_in_a_forked_process(self, hasher: Hasher) -> None:
        hasher.hash("x")
        child = get_context("fork").Process(target=hasher.hash, args=("x",))

        child.start()
        child.join(10)
        code = child.exitcode
        child.kill()

        assert code == 0

    def test_are_given_back_when_hashing_fails(self, hasher: Hasher) -> None:
        attempts = (os.cpu_count() or 1) + 1
        for _ in range(attempts):
            with pytest.raises(UnicodeEncodeError):
                hasher.hash("\ud800")

        assert hasher.verify("x", hasher.hash("x"))[0]
