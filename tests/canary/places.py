"""Where a secret must not be found: log lines, answers, everything the database holds, mails but its owner's."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
from sqlalchemy import select, text

from app.core.keyring import Undecryptable
from app.features.mail.models import Mail
from app.infra import db
from app.infra.columns import Model
from tests.canary.keeping import Keeper
from tests.world import SERVICES, World, raw_sqlite

_PAGE = 4096
_NEVER_ANSWERED = ("password", "current_password", "new_password")
"""Kinds that no answer holds, not even one that succeeds; tokens and codes are given to whom they are for."""
_LINKED = ("token", "code", "credential")
"""Kinds that the link of a mail may hold, and the form behind it once more when something is to be corrected."""

_pristine: dict[int, frozenset[bytes]] = {}
_read: set[Path] = set()


def leaks_outside(keeper: Keeper, lines: list[bytes]) -> list[str]:
    """Name the secrets that the test let out into the log or into answers."""
    return [
        *keeper.leaks("a log line", b"".join(lines)),
        *keeper.leaks("the answer of a failure", b"\n".join(keeper.refusals)),
        *keeper.leaks("a page that tells of a failure", b"\n".join(keeper.pages), but=_LINKED),
        *keeper.leaks("an answer", b"\n".join(keeper.answers), only=_NEVER_ANSWERED),
    ]


def leaks_inside(keeper: Keeper, world: World) -> list[str]:
    """Name the secrets that the test left in the database or in mails."""
    if not world.dirty or not (keeper.secrets or keeper.codes):
        return []
    leaks = keeper.leaks("the database", _all_rows() if SERVICES else b"".join(_changed_pages(world)))
    for own, rest in _letters():
        leaks += keeper.leaks("a mail", rest) + keeper.leaks("the link of a mail", own, but=_LINKED)
    for sent in _sent(world.var / "mail"):
        leaks += keeper.leaks("a mail", sent, but=_LINKED)
    return leaks


def _changed_pages(world: World) -> list[bytes]:
    """Return the pages of the file that the test wrote, with what deleted rows left in them."""
    assert world.copy is not None
    before = _pristine.get(id(world.copy))
    if before is None:
        before = _pristine[id(world.copy)] = frozenset(_pages(world.copy.serialize()))
    with raw_sqlite() as live:
        return [page for page in _pages(live.serialize()) if page not in before]


def _pages(image: bytes) -> list[bytes]:
    return [image[at : at + _PAGE] for at in range(0, len(image), _PAGE)]


def _all_rows() -> bytes:
    """Return every row of every table as JSON, bytes in hex, in one round trip."""
    each = [f'SELECT json_agg(t)::text FROM "{table}" AS t' for table in Model.metadata.tables]  # noqa: S608 -- our tables
    with db.engine().connect() as connection:
        found = connection.execute(text(" UNION ALL ".join(each))).scalars().all()
    return "\n".join(rows for rows in found if rows).encode()


def _letters() -> Iterator[tuple[bytes, bytes]]:
    """Yield of each letter that waits: the codes of its own links, and all else that it says."""
    sealed: Sequence[bytes | None] = []
    with suppress(Undecryptable), db.engine().connect() as connection:
        sealed = connection.execute(select(Mail.sealed).where(Mail.sealed.is_not(None))).scalars().all()
    for one in filter(None, sealed):
        context = _context(one)
        said = orjson.dumps(context).decode()
        links = [value for name, value in context.items() if "link" in name]
        own = [code for link in links for codes in parse_qs(urlsplit(link).query).values() for code in codes]
        for code in own:
            said = said.replace(code, "")
        yield "\n".join(own).encode(), said.encode()


def _context(sealed: bytes) -> dict[str, str]:
    """Return what a template is filled with; a row that a test made up may hold no letter."""
    with suppress(orjson.JSONDecodeError):
        return dict(orjson.loads(sealed)["context"])
    return {"it": sealed.decode("utf-8", "replace")}


def _sent(folder: Path) -> Iterator[bytes]:
    """Yield the decoded text of every mail that was written to the folder since the last test."""
    for path in set(folder.glob("**/*.eml")) - _read:
        _read.add(path)
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
        yield "\n".join([*map(str, mail.values()), *parts]).encode()
