"""Letters from templates: a subject of one line, a text, and HTML with every value escaped."""

from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    UndefinedError,
    select_autoescape,
)

from app.core import mailing
from app.core.config import Settings
from app.core.ids import UUID

TEMPLATES = Path(__file__).parent / "templates"


class Unrenderable(Exception):
    """No mail can be made of this; ``reason`` may be stored: it names templates and variables, never values."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoTemplate(Unrenderable):
    """This release has no such template; the one that wrote the mail may be newer, and send it."""


_environment: Environment
_host = "localhost"
_sender: Address


def connect(settings: Settings) -> None:
    """Learn who sends, and what every template may say of the service."""
    global _environment, _host, _sender  # noqa: PLW0603 -- set once during assembly
    _environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    _environment.globals = {"service": settings.service_name, "base_url": settings.base_url}
    sender = mailing.sender_of(settings)
    _host, _sender = mailing.host_of(settings), Address(sender.name, addr_spec=sender.address)


def message(template: str, *, mail_id: UUID, to: str, context: Mapping[str, str], created_at: datetime) -> EmailMessage:
    """Return the mail, or raise Unrenderable. Its Message-ID depends on ``mail_id`` alone."""
    made = EmailMessage(policy=SMTP)
    made["Subject"] = _on_one_line(_rendered(template, "subject.txt", context))
    made["From"] = _sender
    made["To"] = _recipient(to)
    made["Date"] = created_at
    made["Message-ID"] = f"<{mail_id}@{_host}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices, please
    made.set_content(_rendered(template, "body.txt", context))
    made.add_alternative(_rendered(template, "body.html", context), subtype="html")
    return made


def _rendered(template: str, part: str, context: Mapping[str, str]) -> str:
    try:
        return _environment.get_template(f"{template}/{part}").render(context)
    except TemplateNotFound as error:
        raise NoTemplate(f"there is no template {template}/{part}") from error
    except UndefinedError as error:
        raise Unrenderable(f"{template}/{part}: {error.message}") from error
    except (TemplateError, TypeError, ValueError, LookupError) as error:
        raise Unrenderable(f"{template}/{part}: {type(error).__name__}") from error


def _on_one_line(text: str) -> str:
    """Fold whatever could begin another header into single spaces."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _recipient(to: str) -> Address:
    try:
        return Address(addr_spec=mailing.in_ascii(to))
    except (ValueError, LookupError) as error:
        raise Unrenderable("the address of the recipient is none") from error
