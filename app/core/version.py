"""The version of the service (semantic versioning)."""

VERSION = "0.1.0"
