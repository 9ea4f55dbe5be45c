"""Names for new things that are not counted: UUIDv7 (RFC 9562), which sort by the time they were made."""

from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

__all__ = ["BIGGEST", "UUID", "uuid7", "uuid7_text"]

BIGGEST = 2**63 - 1
"""The largest id that a 64-bit column of either database holds."""


def uuid7_text() -> str:
    """Return a new UUIDv7 as text, five times faster than by way of the standard library's UUID."""
    return str(uuid_utils.uuid7())
