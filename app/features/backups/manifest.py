"""What a backup says of itself, before anything of it is touched."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from app.core.errors import Conflict
from app.core.keyring import Keyring
from app.infra import dumps, migrations
from app.infra.archive import Unreadable

FORMAT = 1


class MadeByNewerRelease(Conflict):
    """The code does not know this schema."""

    code = "BACKUP_TOO_NEW"
    message = "A newer release made this backup. Restore it with that release, or a later one."


class Manifest(BaseModel):
    """The first file of an archive, ``manifest.json``.

    ``secrets`` are HMACs that tell whether a SECRET_KEY is the one of then, and nothing else of it. ``erased`` lines
    of ``BACKUP_DIR/erased`` were written before.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    format: int
    name: str
    created_at: datetime
    service: str
    version: str
    kind: dumps.Kind
    server: str
    revision: str
    rows: dict[str, int]
    bytes: int
    sha256: str
    files: int
    files_bytes: int
    secrets: tuple[str, ...]
    erased: int | None = None

    @property
    def file(self) -> str:
        """Return the name of the database inside the archive."""
        return dumps.FILES[self.kind]


def read(told: bytes) -> Manifest:
    """Read a manifest. Raises Unreadable, MadeByNewerRelease."""
    try:
        manifest = Manifest.model_validate_json(told)
    except ValidationError as error:
        raise Unreadable from error
    if manifest.format > FORMAT:
        raise MadeByNewerRelease
    return manifest


def usable(told: bytes) -> Manifest:
    """Read the manifest of a backup that this code can restore."""
    manifest = read(told)
    if not migrations.knows(manifest.revision):
        raise MadeByNewerRelease(
            f"This backup is at revision {manifest.revision}, which this release ({migrations.head()}) does not know."
            " Restore it with the release that made it, or a later one."
        )
    return manifest


def fingerprints(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Name the secrets of SECRET_KEY without telling anything of them, newest first."""
    return tuple(Keyring((secret,)).fingerprint("backup-secret", "") for secret in secrets)
