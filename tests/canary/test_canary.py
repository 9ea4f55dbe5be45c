"""The canary itself: each way to leak that it must notice, planted."""

import base64
import logging
from collections.abc import Iterator

import orjson
import pytest
from sqlalchemy import insert, update

from app.core import clock
from app.core.errors import Invalid
from app.features.accounts.models import User
from app.features.audit import service as audit
from app.features.auth import service as auth
from app.features.auth.models import OneTimeCode
from app.features.mail import service as mail
from app.features.mail.models import Mail
from app.infra import db
from tests import canary
from tests.api import Api, Person, a_user
from tests.canary import places
from tests.canary.spelling import found_in, is_unmistakable
from tests.world import PASSWORD, World

SECRET = "Vq7-wombat-93-Zx"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
RECOVERY = "ABCDEF-GHJKLM-234567-NPQRST"


@pytest.fixture(autouse=True)
def _forgotten_in_the_end(keeper: canary.Keeper, lines: list[bytes], world: World) -> Iterator[None]:
    """Planted leaks are not held against the test that planted them."""
    yield
    keeper.forget()


@pytest.fixture
def grace(api: Api) -> Person:
    grace = a_user()
    api.sign_in(grace)
    return grace


class TestSpelling:
    @pytest.mark.parametrize(
        "written",
        [
            SECRET.encode(),
            SECRET.encode().hex().encode(),
            base64.b64encode(b"" + SECRET.encode()),
            base64.b64encode(b"a" + SECRET.encode() + b"more"),
            base64.urlsafe_b64encode(b"ab" + SECRET.encode() + b"more"),
        ],
    )
    def test_is_seen_through(self, written: bytes) -> None:
        assert found_in(b"before " + written + b" after", [SECRET]) == [SECRET]

    @pytest.mark.parametrize(
        ("secret", "written"),
        [
            ("päß wörd-7-Xyz", b"p%C3%A4%C3%9F%20w%C3%B6rd-7-Xyz"),
            ("päß wörd-7-Xyz", b"p\\u00e4\\u00df w\\u00f6rd-7-Xyz"),
            ('quo"ted-7-Xyz', b'quo\\"ted-7-Xyz'),
            (SEED, base64.b32decode(SEED)),
            (SEED, base64.b32decode(SEED).hex().encode()),
            (RECOVERY, RECOVERY.replace("-", "").lower().encode()),
        ],
    )
    def test_of_other_signs_is_seen_through(self, secret: str, written: bytes) -> None:
        assert found_in(b"before " + written + b" after", [secret]) == [secret]

    def test_of_a_long_token_is_known_by_its_end(self) -> None:
        token = "eyJ" + "".join(chr(97 + number % 23) + str(number % 7) for number in range(200))

        assert found_in(token[50:].encode(), [token]) == [token]

    def test_of_a_short_code_is_a_whole_word(self) -> None:
        assert found_in(b'{"code":"123456"}', [], ["123456"]) == ["123456"]
        assert found_in(b"2026-01-09T07:00:00.123456Z 91234567", [], ["123456"]) == []

    def test_of_common_words_is_not_looked_for(self) -> None:
        assert not any(map(is_unmistakable, ["wrong", "password", "1234567890123", "aaaaaaaaa-1", "INVALID_TOKEN"]))
        assert all(map(is_unmistakable, [PASSWORD, SECRET, SEED, RECOVERY]))


class TestHearing:
    def test_remembers_what_passes(self, api: Api, grace: Person, keeper: canary.Keeper) -> None:
        api.post("/auth/password/reset", {"token": SECRET, "new_password": "New-Horse-9-Staple", "code": "424242"})
        api.get(f"/setup?code=in-a-query-{SECRET}", headers={"Cookie": "console=Cookie-7-Monster"})
        api.post("/auth/login", data=b'{"username":"grace","password":"Torn-Body-7-Xy"')

        assert {PASSWORD, grace.access_token, grace.refresh_token, SECRET, "New-Horse-9-Staple"} <= set(keeper.secrets)
        assert {f"in-a-query-{SECRET}", "Cookie-7-Monster", "Torn-Body-7-Xy"} <= set(keeper.secrets)
        assert set(keeper.codes) == {"424242"}


class TestLeak:
    def test_into_the_log_is_noticed(self, grace: Person, keeper: canary.Keeper, lines: list[bytes]) -> None:
        assert places.leaks_outside(keeper, lines) == []

        logging.getLogger("app").warning("signed in", extra={"body": {"password": grace.password}})

        assert any("password" in leak and "log" in leak for leak in places.leaks_outside(keeper, lines))

    def test_into_a_stack_trace_is_noticed(self, grace: Person, keeper: canary.Keeper, lines: list[bytes]) -> None:
        logging.getLogger("app").error("unhandled", exc_info=ValueError(grace.access_token))

        assert any("access_token" in leak for leak in places.leaks_outside(keeper, lines))

    def test_into_an_answer_is_noticed(
        self, api: Api, keeper: canary.Keeper, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def echo(*, name: str, password: str) -> None:
            raise Invalid(details={"password": [f"{password} is wrong"]})

        monkeypatch.setattr(auth, "login", echo)
        api.post("/auth/login", {"username": "grace", "password": SECRET})

        assert any("answer of a failure" in leak for leak in places.leaks_outside(keeper, lines))

    def test_of_a_token_into_the_audit_is_noticed(self, world: World, grace: Person, keeper: canary.Keeper) -> None:
        assert places.leaks_inside(keeper, world) == []

        with db.unit_of_work():
            audit.record("authn_token_created", detail={"token": grace.refresh_token})

        assert any("refresh_token" in leak and "database" in leak for leak in places.leaks_inside(keeper, world))

    def test_of_a_code_into_a_column_is_noticed(self, world: World, keeper: canary.Keeper) -> None:
        keeper.keep(SECRET, "code")
        row = {"hash": SECRET, "purpose": "x", "created_at": clock.now(), "expires_at": clock.now()}
        with db.unit_of_work():
            db.session().execute(insert(OneTimeCode).values(**row))

        assert any("database" in leak for leak in places.leaks_inside(keeper, world))

    def test_of_an_encoded_password_into_a_column_is_noticed(
        self, world: World, grace: Person, keeper: canary.Keeper
    ) -> None:
        hidden = base64.b64encode(f"{grace.username}:{PASSWORD}".encode()).decode()
        with db.unit_of_work():
            db.session().execute(update(User).where(User.id == grace.id).values(first_name=hidden))

        assert any("database" in leak for leak in places.leaks_inside(keeper, world))

    def test_of_a_password_into_a_mail_is_noticed(self, world: World, grace: Person, keeper: canary.Keeper) -> None:
        self._write(grace, {"link": mail.link("/reset", token=SECRET), "password": PASSWORD})

        assert any("a mail" in leak for leak in places.leaks_inside(keeper, world))

    def test_of_a_token_into_a_link_is_noticed(self, world: World, grace: Person, keeper: canary.Keeper) -> None:
        self._write(grace, {"link": mail.link("/reset", token=str(grace.access_token))})

        assert any("link of a mail" in leak for leak in places.leaks_inside(keeper, world))

    def test_is_none_where_a_code_belongs(self, world: World, grace: Person, keeper: canary.Keeper) -> None:
        keeper.keep(SECRET, "token")
        self._write(grace, {"link": mail.link("/reset", token=SECRET)})

        assert places.leaks_inside(keeper, world) == []

    def test_of_a_mail_that_was_sent_is_noticed(self, world: World, grace: Person, keeper: canary.Keeper) -> None:
        folder = world.var / "mail"
        folder.mkdir(exist_ok=True)
        body = base64.encodebytes(orjson.dumps({"it is": PASSWORD}))
        header = b"Subject: Hello\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
        (folder / "planted.eml").write_bytes(header + body)

        leaks = places.leaks_inside(keeper, world)

        (folder / "planted.eml").unlink()
        assert any("a mail" in leak for leak in leaks)

    def _write(self, to: Person, context: dict[str, str]) -> None:
        with db.unit_of_work():
            now, sealed = clock.now(), orjson.dumps({"to": to.email, "context": context})
            db.session().add(
                Mail(template="planted", user_id=to.id, sealed=sealed, status="pending", created_at=now, due_at=now)
            )


class TestComplaint:
    def test_fails_the_test_and_does_not_repeat_the_secret(self, grace: Person, keeper: canary.Keeper) -> None:
        leaks = keeper.leaks("a log line", PASSWORD.encode())

        with pytest.raises(pytest.fail.Exception, match="the canary is dead: a password") as failure:
            canary.complain("tests/any.py::test", leaks)

        assert PASSWORD not in str(failure.value)

    def test_is_left_out_only_with_a_reason(self) -> None:
        for test, reason in canary.EXCEPTIONS.items():
            canary.complain(test, ["a leak"])
            assert len(reason) > 20
