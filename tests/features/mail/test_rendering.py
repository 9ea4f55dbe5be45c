"""What a letter looks like, and which are never made."""

import ast
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest

from app.features.mail import rendering
from app.features.mail.rendering import Unrenderable
from tests.architecture import source
from tests.world import World

Template = Callable[..., str]

ID = UUID("01a1fdb7-7b32-7429-a7e7-83059cd5cb1a")
HOSTILE = "<script>alert(1)</script>"


def letter(template: str, *, to: str = "ada@engines.test", **context: str) -> EmailMessage:
    at = datetime(2026, 1, 9, 7, 0, tzinfo=UTC)
    return rendering.message(template, mail_id=ID, to=to, context=context, created_at=at)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    content: str = found.get_content()
    return content


class TestHeaders:
    @pytest.mark.usefixtures("world")
    def test_say_which_mail_it_is_when_and_that_a_machine_wrote_it(self) -> None:
        made = letter("test")

        assert made["Message-ID"] == f"<{ID}@carboy.test>"
        assert made["Date"] == "Fri, 09 Jan 2026 07:00:00 +0000"
        assert made["Auto-Submitted"] == "auto-generated"
        assert (made["From"], made["To"]) == ("carboy@carboy.test", "ada@engines.test")

    def test_name_the_sender_of_the_settings(self, world: World) -> None:
        world.with_settings(mail_from="Zoë’s Accounts <accounts@carboy.test>")

        assert letter("test")["From"] == "Zoë’s Accounts <accounts@carboy.test>"

    def test_are_the_same_each_time(self, world: World) -> None:
        first, second = letter("test"), letter("test")

        assert first.items()[:-1] == second.items()[:-1]

    @pytest.mark.parametrize(
        "name", ["Ada\r\nBcc: eve@evil.test", "Ada\nBcc: eve@evil.test", "Ada\u2028Bcc: eve@evil.test", "Ada\x0bBcc:"]
    )
    def test_are_not_begun_by_a_value(self, template: Template, name: str) -> None:
        template(subject="Hello {{ name }}\n")

        made = letter("made-up", name=name)

        assert made["Bcc"] is None
        assert str(made["Subject"]).startswith("Hello Ada Bcc:")
        assert b"\nBcc" not in made.as_bytes()

    @pytest.mark.usefixtures("world")
    @pytest.mark.parametrize(
        "to",
        [
            "ada@engines.test\r\nBcc: eve@evil.test",
            "ada@engines.test\nX: y",
            "ada@engines.test, eve@evil.test",
            "Ada <ada@engines.test>",
            "nobody",
            "",
        ],
    )
    def test_take_no_recipient_that_is_not_one_address(self, to: str) -> None:
        with pytest.raises(Unrenderable, match=r"^the address of the recipient is none$"):
            letter("test", to=to)


class TestBodies:
    def test_escape_values_in_html_alone(self, template: Template) -> None:
        template(text="Hello {{ name }}", html="<p>Hello {{ name }}</p>")

        made = letter("made-up", name=HOSTILE)

        assert HOSTILE in part(made, "plain")
        assert "&lt;script&gt;" in part(made, "html")
        assert HOSTILE not in part(made, "html")

    def test_know_the_service_and_where_it_is(self, template: Template) -> None:
        template(text="{{ service }} at {{ base_url }}")

        assert part(letter("made-up"), "plain") == "carboy at http://carboy.test\n"

    def test_keep_long_links_whole(self, template: Template) -> None:
        link = "https://accounts.example.test/reset?token=" + "a" * 300
        template(text="Zoë, open:\n{{ link }}")

        assert link in part(letter("made-up", link=link), "plain").splitlines()


class TestUnrenderable:
    def test_is_what_lacks_a_value(self, template: Template) -> None:
        template(text="Hello {{ name }}")

        with pytest.raises(Unrenderable, match=r"^made-up/body\.txt: 'name' is undefined$"):
            letter("made-up")

    def test_is_a_template_that_is_not_there(self, world: World) -> None:
        with pytest.raises(Unrenderable, match=r"^there is no template no-such/subject\.txt$"):
            letter("no-such")

    def test_is_a_template_elsewhere(self, world: World) -> None:
        with pytest.raises(Unrenderable, match=r"^there is no template"):
            letter("../../../../etc")

    def test_is_a_template_that_is_wrong_without_saying_values(self, template: Template) -> None:
        template(text="{{ name / 2 }}")

        with pytest.raises(Unrenderable) as raised:
            letter("made-up", name="canary@people.test")

        assert raised.value.reason == "made-up/body.txt: TypeError"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, dict[str, str | None]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = dict(attrs)


class TestLayout:
    @pytest.mark.usefixtures("world")
    def test_of_html_is_readable_by_everyone_and_loads_nothing(self) -> None:
        html = part(letter("test"), "html")
        tags = _Tags()
        tags.feed(html)

        assert tags.seen["html"] == {"lang": "en"}
        assert {"main", "footer", "title"} <= tags.seen.keys()
        assert not {"img", "link", "script", "iframe", "object", "form"} & tags.seen.keys()
        assert "url(" not in html
        assert "@import" not in html
        assert "prefers-color-scheme: dark" in html

    @pytest.mark.usefixtures("world")
    def test_of_text_names_the_service_below(self) -> None:
        lines = part(letter("test"), "plain").splitlines()

        assert lines[0] == "Mail from carboy arrives. There is nothing to do."
        assert lines[lines.index("-- ") + 1 :][:2] == ["carboy", "http://carboy.test"]


def test_every_mail_that_is_sent_has_a_template() -> None:
    calls = [
        (module.place, node.args[0].value)
        for module in source.modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "mail.send"
        and isinstance(node.args[0], ast.Constant)
    ]

    assert [call for call in calls if not (Path(rendering.TEMPLATES) / str(call[1])).is_dir()] == []
    assert calls


def test_every_template_has_its_three_parts() -> None:
    folders = [path for path in Path(rendering.TEMPLATES).iterdir() if path.is_dir()]

    parts = {folder.name: sorted(file.name for file in folder.iterdir()) for folder in folders}

    assert {name for name, files in parts.items() if files != ["body.html", "body.txt", "subject.txt"]} == set()
    assert parts
