"""What tests of the settings share."""

PRODUCTION = {
    "environment": "production",
    "secret_key": "k7Jq0-fVb2nX9wRtYzLmPsDhGcAeUi4oT1",
    "public_url": "https://accounts.carboy.test",
}
"""The least that production starts with."""
