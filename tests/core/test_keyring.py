import pytest

from app.core.keyring import Keyring, Undecryptable, digest

NEW, OLD = "the newest secret of this service", "the one that was used before it"


class TestEncrypt:
    def test_is_opened_under_the_same_purpose(self) -> None:
        keyring = Keyring([NEW])

        sealed = keyring.encrypt("keys", b"private")

        assert keyring.decrypt("keys", sealed) == b"private"

    def test_hides_what_it_holds(self) -> None:
        sealed = Keyring([NEW]).encrypt("keys", b"private")

        assert b"private" not in sealed

    def test_differs_each_time(self) -> None:
        keyring = Keyring([NEW])

        assert len({keyring.encrypt("keys", b"private") for _ in range(50)}) == 50

    def test_uses_the_newest_secret(self) -> None:
        sealed = Keyring([NEW, OLD]).encrypt("keys", b"private")

        assert Keyring([NEW]).decrypt("keys", sealed) == b"private"


class TestDecrypt:
    def test_opens_what_an_older_secret_sealed(self) -> None:
        sealed = Keyring([OLD]).encrypt("keys", b"private")

        assert Keyring([NEW, OLD]).decrypt("keys", sealed) == b"private"

    def test_refuses_another_purpose(self) -> None:
        keyring = Keyring([NEW])
        sealed = keyring.encrypt("keys", b"private")

        with pytest.raises(Undecryptable):
            keyring.decrypt("mail", sealed)

    def test_refuses_a_replaced_secret(self) -> None:
        sealed = Keyring([OLD]).encrypt("keys", b"private")

        with pytest.raises(Undecryptable):
            Keyring([NEW]).decrypt("keys", sealed)

    @pytest.mark.parametrize("place", [0, 12, -1], ids=["nonce", "text", "tag"])
    def test_refuses_what_was_changed(self, place: int) -> None:
        keyring = Keyring([NEW])
        sealed = bytearray(keyring.encrypt("keys", b"private"))
        sealed[place] ^= 1

        with pytest.raises(Undecryptable):
            keyring.decrypt("keys", bytes(sealed))

    @pytest.mark.parametrize("length", [0, 5, 12, 20], ids=lambda length: f"{length} bytes")
    def test_refuses_what_was_cut(self, length: int) -> None:
        keyring = Keyring([NEW])
        sealed = keyring.encrypt("keys", b"private")

        with pytest.raises(Undecryptable):
            keyring.decrypt("keys", sealed[:length])


class TestFingerprint:
    def test_is_the_same_for_the_same_value(self) -> None:
        assert Keyring([NEW]).fingerprint("ip", "10.0.0.1") == Keyring([NEW, OLD]).fingerprint("ip", "10.0.0.1")

    @pytest.mark.parametrize(
        ("secret", "purpose", "value"),
        [
            pytest.param(OLD, "ip", "10.0.0.1", id="secret"),
            pytest.param(NEW, "account", "10.0.0.1", id="purpose"),
            pytest.param(NEW, "ip", "10.0.0.2", id="value"),
        ],
    )
    def test_differs_with_each_of_its_parts(self, secret: str, purpose: str, value: str) -> None:
        reference = Keyring([NEW]).fingerprint("ip", "10.0.0.1")

        assert Keyring([secret]).fingerprint(purpose, value) != reference

    def test_is_256_bits_in_hexadecimal(self) -> None:
        made = Keyring([NEW]).fingerprint("ip", "10.0.0.1")

        assert len(bytes.fromhex(made)) == 32


class TestDigest:
    def test_is_sha_256(self) -> None:
        assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
