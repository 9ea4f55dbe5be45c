from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.features.mail import rendering
from app.features.mail import service as mail
from app.features.mail.models import Mail
from app.infra import db, mailer
from tests.conftest import Clock
from tests.postbox import Postbox, postbox
from tests.world import World

SECRET = "a secret without commas that other processes read from the environment"


@pytest.fixture
def box(world: World) -> Iterator[Postbox]:
    """A mail server that this service hands its mail to."""
    with postbox() as started:
        world.with_settings(
            mail_url=started.url, mail_from="Carboy <carboy@carboy.test>", mail_seconds=20, secret_key=(SECRET,)
        )
        yield started
        mailer.hang_up()


Template = Callable[..., str]


@pytest.fixture
def template(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Template]:
    """Make templates; ask for it after ``box``, which assembles the service anew."""
    ours = rendering.TEMPLATES
    monkeypatch.setattr(rendering, "TEMPLATES", [tmp_path / "templates", ours])

    def make(
        name: str = "made-up", *, subject: str = "Hello", text: str = "Hello.", html: str = "<p>Hello.</p>"
    ) -> str:
        folder = tmp_path / "templates" / name
        folder.mkdir(parents=True)
        for part, content in {"subject.txt": subject, "body.txt": text, "body.html": html}.items():
            (folder / part).write_text(content)
        rendering.connect(world.settings)
        return name

    yield make
    monkeypatch.undo()
    rendering.connect(world.settings)


def send(
    template: str = "test", *, to: str | None = "ada@engines.test", user_id: int | None = None, **context: str
) -> None:
    """Write a mail in a unit of its own."""
    with db.unit_of_work():
        mail.send(template, to=to, user_id=user_id, context=context)


def rows() -> list[Mail]:
    """Return the outbox in the order in which it was written."""
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(Mail).order_by(Mail.id)))


def the_row() -> Mail:
    (row,) = rows()
    return row


def minutes_until_due(row: Mail, clock: Clock) -> float:
    return (row.due_at - clock.now()).total_seconds() / 60
