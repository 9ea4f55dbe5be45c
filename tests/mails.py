"""What is in the outbox, opened as its sender would."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import orjson
from sqlalchemy import select

from app.features.mail.models import Mail
from app.infra import db


@dataclass(frozen=True)
class Letter:
    """A mail that waits to leave, or has left."""

    template: str
    to: str | None
    context: dict[str, str]
    status: str

    @property
    def token(self) -> str:
        """Return the code in the link of the letter."""
        return parse_qs(urlsplit(self.context["link"]).query)["token"][0]


def letters(template: str | None = None) -> list[Letter]:
    """Return the letters of the outbox in the order in which they were written."""
    with db.unit_of_work(writes=False):
        rows = db.session().scalars(select(Mail).order_by(Mail.id)).all()
        opened = [(row, orjson.loads(row.sealed or b'{"to":null,"context":{}}')) for row in rows]
    found = [Letter(row.template, what["to"], what["context"], row.status) for row, what in opened]
    return [letter for letter in found if template in {None, letter.template}]
