"""Reads the settings once, from the environment and ``.env``, and refuses what is unsafe in production."""

import os
import secrets
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.core import refusals
from app.core.refusals import UnsafeSettings
from app.core.settings import Settings

__all__ = ["Settings", "UnsafeSettings", "complaints", "load", "publish", "secrets_of"]


def load(*, env_file: str | None = ".env", **given: Any) -> Settings:  # noqa: ANN401 -- fields, validated by Settings
    """Read the environment, ``.env`` and what is given; raise UnsafeSettings for what cannot be used."""
    try:
        settings = Settings(_env_file=env_file, **given)
    except ValidationError as error:
        raise UnsafeSettings(
            [f"{str(e['loc'][0]).upper()}: {e['msg']}." for e in error.errors(include_input=False)]
        ) from error
    except SettingsError as error:  # names the field and never its value
        raise UnsafeSettings([f"A setting is not the JSON that it should be: {error}."]) from None
    found = complaints(settings)
    if found:
        raise UnsafeSettings(found)
    return settings


def complaints(settings: Settings) -> list[str]:
    """List what is wrong with these settings, each with what to do."""
    flask = os.environ.get("FLASK_DEBUG", "").lower()  # what `flask run` and `flask --debug` go by
    return refusals.complaints(settings, flask_debug=flask not in {"", "0", "false", "no"})


def publish(name: str, value: str) -> None:
    """Set a variable of the environment for a library that looks for it nowhere else."""
    os.environ[name] = value


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return SECRET_KEY, newest first; in development one is made once and kept in ``VAR_DIR/secret_key``."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.var_dir / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        partial = path.with_name(f".secret_key.{secrets.token_hex(8)}")
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_urlsafe(48))
        try:
            os.link(partial, path)  # atomic: of several that start at once, one makes the key and all read it
        finally:
            partial.unlink()
    return (path.read_text().strip(),)
