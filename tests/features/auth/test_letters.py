"""The words of every letter: each can be written from what is put into the outbox, and lets no markup through."""

from pathlib import Path

import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parents[3] / "app" / "features" / "mail" / "templates"
LAYOUT = "{% block content %}{% endblock %}"
LINK = "http://carboy.test/page?token=a-code"
FACTS = {"when": "2026-01-09 07:00 UTC", "ip": "192.0.2.7", "device": "Firefox on Linux"}
WITH_LINK = {"link": LINK, "lifetime": "30 minutes"}
CONTEXTS: dict[str, dict[str, str]] = {
    "already_registered": WITH_LINK,
    "api_key_created": {"what": "deploy <b>"},
    "email_change": WITH_LINK,
    "email_change_requested": WITH_LINK,
    "email_changed": WITH_LINK,
    "email_taken": {},
    "new_device": FACTS,
    "password_changed": FACTS,
    "recovery_code_used": {"what": "9 are left <b>"},
    "reset_password": WITH_LINK,
    "second_factor_changed": {"what": "an authenticator app was added <b>"},
    "token_reused": FACTS,
    "username_taken": {},
    "verify_email": WITH_LINK,
    "welcome_set_password": WITH_LINK,
}


def written(template: str, part: str) -> str:
    layouts = DictLoader({"layout.txt": LAYOUT, "layout.html": LAYOUT})
    loader = ChoiceLoader([FileSystemLoader(TEMPLATES), layouts])
    jinja = Environment(loader=loader, autoescape=part.endswith(".html"), undefined=StrictUndefined)
    context = {"service": "carboy", "base_url": "http://carboy.test", **CONTEXTS[template]}
    return jinja.get_template(f"{template}/{part}").render(context)


@pytest.mark.parametrize("template", CONTEXTS)
class TestLetters:
    def test_have_a_subject_of_one_line(self, template: str) -> None:
        subject = written(template, "subject.txt").strip()

        assert "carboy" in subject
        assert "\n" not in subject
        assert len(subject) <= 78

    @pytest.mark.parametrize("part", ["body.txt", "body.html"])
    def test_show_their_link_and_how_long_it_works(self, template: str, part: str) -> None:
        body = written(template, part)

        expected = {key: value for key, value in CONTEXTS[template].items() if key in {"link", "lifetime"}}
        assert [value for value in expected.values() if value not in body] == []
        assert body.count("http://") - body.count("http://carboy.test") == 0

    def test_let_no_markup_through(self, template: str) -> None:
        assert "<b>" not in written(template, "body.html")

    @pytest.mark.parametrize("part", ["body.txt", "body.html"])
    def test_say_what_they_are_told(self, template: str, part: str) -> None:
        told = [value.removesuffix(" <b>") for value in CONTEXTS[template].values()]

        assert [value for value in told if value not in written(template, part)] == []
