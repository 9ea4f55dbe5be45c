"""Keys of age (https://age-encryption.org), which anybody can open a backup with, without this code."""

from collections.abc import Iterable, Iterator

from app.core.keyring import Keyring

PURPOSE = "backups"

_SIGNS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_PREFIX = "age-secret-key-"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def identities(given: Iterable[str], keyring: Keyring) -> list[str]:
    """Return every secret key that may open a backup, the one that encrypts first: BACKUP_KEY before SECRET_KEY's."""
    return [*given, *(identity(key) for key in keyring.keys(PURPOSE))]


def identity(key: bytes) -> str:
    """Write 32 random bytes as age writes an X25519 secret key: in Bech32 (BIP 173), in capitals."""
    words = list(_fives(key))
    expanded = [*(ord(sign) >> 5 for sign in _PREFIX), 0, *(ord(sign) & 31 for sign in _PREFIX)]
    remainder = _polymod([*expanded, *words, *[0] * 6]) ^ 1
    checksum = [(remainder >> 5 * (5 - place)) & 31 for place in range(6)]
    return f"{_PREFIX}1{''.join(_SIGNS[word] for word in [*words, *checksum])}".upper()


def _fives(data: bytes) -> Iterator[int]:
    bits = "".join(f"{byte:08b}" for byte in data)
    for begin in range(0, len(bits), 5):
        yield int(bits[begin : begin + 5].ljust(5, "0"), 2)


def _polymod(words: Iterable[int]) -> int:
    remainder = 1
    for word in words:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ word
        for place, value in enumerate(_GENERATOR):
            remainder ^= value if (top >> place) & 1 else 0
    return remainder
