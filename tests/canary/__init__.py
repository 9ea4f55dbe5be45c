"""Every secret that passes through a test is remembered, and looked for at its end wherever it must not stand."""

import pytest

from tests.canary.keeping import Keeper, install, keeper

__all__ = ["EXCEPTIONS", "Keeper", "complain", "install", "keeper"]

EXCEPTIONS: dict[str, str] = {
    "tests/features/auth/test_signin_hashes.py::TestUnreadable::test_is_a_wrong_password[Correct-Horse-7-Battery]": (
        "stores a password in clear itself, to see that it is not taken for a hash"
    ),
}
"""Tests that may leave a secret in clear, by the beginning of their id, each with its reason."""


def complain(test: str, leaks: list[str]) -> None:
    """Fail a test that left a secret in clear."""
    if leaks and not any(test.startswith(known) for known in EXCEPTIONS):
        pytest.fail("the canary is dead: " + "; ".join(sorted(set(leaks))), pytrace=False)
