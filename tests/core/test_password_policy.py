import pytest

from app.core.errors import Invalid
from app.core.passwords import MAX_LENGTH, Policy


def reasons(password: str, *hints: str, min_length: int = 8) -> list[str]:
    """Return why a password is refused: nothing if it is accepted."""
    try:
        Policy(min_length).check(password, hints=hints)
    except Invalid as refused:
        return list(refused.details["password"])
    return []


class TestPolicy:
    @pytest.mark.parametrize(
        "password",
        [
            pytest.param("SecurePass123!", id="upper, lower, digit"),
            pytest.param("mV7rk2Qxw", id="9 characters"),
            pytest.param("correct horse battery staple", id="15 and more of any kind"),
            pytest.param("\u00c4pfel-und-B\u00e4ume-7", id="accents"),
            pytest.param(
                "\u044f \u043b\u044e\u0431\u043b\u044e \u0447\u0430\u0439 \u0441 \u043c\u0451\u0434\u043e\u043c",
                id="Cyrillic",
            ),
            pytest.param(("mV7rk2Qx, and more of it: " + "tell me a long story " * 9)[:MAX_LENGTH], id="128"),
        ],
    )
    def test_accepts(self, password: str) -> None:
        assert reasons(password) == []

    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            pytest.param("", "Use at least 8 characters.", id="nothing"),
            pytest.param("mV7rk2Q", "Use at least 8 characters.", id="7 characters"),
            pytest.param("mV7rk2Qx" * 16 + "!", "Use at most 128 characters.", id="129 characters"),
            pytest.param("mv7rk2qx", "Use upper and lower case letters and a digit", id="no upper case"),
            pytest.param("MV7RK2QX", "Use upper and lower case letters and a digit", id="no lower case"),
            pytest.param("mVwrkzQx", "Use upper and lower case letters and a digit", id="no digit"),
            pytest.param("mvwrkzqx-abcde", "Use upper and lower case letters and a digit", id="14 of one kind"),
            pytest.param("Trustno1", "leaked", id="leaked"),
            pytest.param("Liverpool1", "leaked", id="leaked, with a digit behind"),
            pytest.param("Password123!", "leaked", id="leaked, with digits and signs behind"),
            pytest.param("Qwertyuiop12", "leaked", id="keys in a row"),
            pytest.param("a" * 15, "easy to guess", id="one letter"),
            pytest.param("Aaaaaaaaaaa1", "easy to guess", id="one letter, in two cases, and a digit"),
            pytest.param("Aa1" + "x" * 125, "easy to guess", id="128 characters, most of them one"),
        ],
    )
    def test_refuses(self, password: str, reason: str) -> None:
        found = reasons(password)

        assert len(found) == 1
        assert reason in found[0]

    @pytest.mark.parametrize(
        ("password", "hint"),
        [
            pytest.param("GraceHopper1", "grace.hopper@navy.test", id="address"),
            pytest.param("Gracehopper1", "gracehopper", id="user name"),
            pytest.param("Zbigniewski7", "Zbigniewski", id="last name"),
        ],
    )
    def test_refuses_the_name_of_its_owner(self, password: str, hint: str) -> None:
        assert "easy to guess" in reasons(password, hint)[0]

    def test_accepts_the_name_of_somebody_else(self) -> None:
        assert reasons("Zbigniewski7", "grace.hopper@navy.test") == []

    def test_names_the_field_that_was_sent(self) -> None:
        with pytest.raises(Invalid) as refused:
            Policy().check("short", field="new_password")

        assert list(refused.value.details) == ["new_password"]

    def test_never_repeats_the_password(self) -> None:
        assert "Trustno1" not in "".join(reasons("Trustno1"))

    def test_can_ask_for_more_characters(self) -> None:
        assert reasons("mV7rk2Qxw", min_length=12) == ["Use at least 12 characters."]
