"""Names for new things that are not counted: UUIDv7 (RFC 9562), which sort by the time they were made."""

from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["BIGGEST", "UUID", "uuid7"]

BIGGEST = 2**63 - 1
"""The largest id that a 64-bit column of either database holds."""
