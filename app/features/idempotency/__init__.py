"""Answers that are kept for a day, so that a request can be repeated without a second effect."""
