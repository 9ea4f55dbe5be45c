"""The background work of privacy."""

from app.features.privacy import service as privacy


def erase_due() -> None:
    """Erase those who were deleted ERASE_AFTER_DAYS ago; once an hour is often enough."""
    privacy.erase_due()
