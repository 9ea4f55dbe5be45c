import pytest

from app.core.errors import Invalid
from app.core.identifiers import (
    EMAIL_LENGTH,
    RESERVED,
    USERNAME_LENGTH,
    email_key,
    is_reserved,
    login_key,
    username_key,
)

KELVIN = "\u212a"
DOTLESS_I = "\u0131"


class TestEmailKey:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param("Grace@Navy.test", "grace@navy.test", id="case"),
            pytest.param("grace@exa\u0308mple.org", "grace@ex\u00e4mple.org", id="normal form"),
            pytest.param("grace@EX\u00c4MPLE.org", "grace@xn--exmple-cua.org", id="punycode"),
        ],
    )
    def test_is_the_same_for_one_address(self, one: str, other: str) -> None:
        assert email_key(one) == email_key(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param("grace@navy.test", "grace+spam@navy.test", id="tag"),
            pytest.param("grace@navy.test", "gra.ce@navy.test", id="dot"),
            pytest.param("grace@navy.test", "grace@navy.local", id="domain"),
            pytest.param("grace@fa\u00df.test", "grace@fass.test", id="sharp s: two domains since IDNA 2008"),
            pytest.param("grace@\u03c3\u03b1\u03c2.test", "grace@\u03c3\u03b1\u03c3.test", id="final sigma, likewise"),
        ],
    )
    def test_differs_between_addresses(self, one: str, other: str) -> None:
        assert email_key(one) != email_key(other)

    @pytest.mark.parametrize("domain", ["people.test", "corp.local", "shop.example"])
    def test_accepts_the_domains_of_closed_networks(self, domain: str) -> None:
        assert email_key(f"grace@{domain}") == f"grace@{domain}"

    @pytest.mark.parametrize(
        "address",
        [
            pytest.param("", id="nothing"),
            pytest.param("grace", id="no domain"),
            pytest.param("@navy.test", id="no name"),
            pytest.param("grace@", id="an empty domain"),
            pytest.param("grace@@navy.test", id="two at signs"),
            pytest.param("grace@navy..test", id="an empty label"),
            pytest.param("grace@[192.0.2.1]", id="an address literal"),
            pytest.param('"gra ce"@navy.test', id="a quoted name"),
            pytest.param("Grace <grace@navy.test>", id="a display name"),
            pytest.param("grace@navy.test\n", id="a line break"),
            pytest.param("grace@navy.test\r\nBcc: all@navy.test", id="a header"),
            pytest.param("gra\0ce@navy.test", id="U+0000"),
            pytest.param(f"mi{KELVIN}e@navy.test", id="the Kelvin sign"),
            pytest.param(f"m{DOTLESS_I}ke@navy.test", id="a dotless i"),
            pytest.param("gr\u00e1ce@navy.test", id="an accent"),
            pytest.param("grace@" + "a.b" * 120 + ".test", id="more than 254 characters"),
        ],
    )
    def test_refuses_what_is_no_address(self, address: str) -> None:
        with pytest.raises(Invalid) as refused:
            email_key(address)

        assert refused.value.details == {"email": ["This is not a valid e-mail address."]}

    def test_accepts_what_mail_itself_takes(self) -> None:
        longest = "g" * 64 + "@" + ".".join(["n" * 60] * 3) + ".test"

        assert len(longest) <= EMAIL_LENGTH
        assert email_key(longest) == longest


class TestUsernameKey:
    @pytest.mark.parametrize("name", ["abc", "a-b", "a.b_c-d", "007", "a" * USERNAME_LENGTH])
    def test_accepts_letters_digits_and_marks_between(self, name: str) -> None:
        assert username_key(name) == name

    def test_is_the_same_in_any_case(self) -> None:
        assert username_key("GraceHopper") == username_key("gracehopper")

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("", id="nothing"),
            pytest.param("ab", id="too short"),
            pytest.param("a" * (USERNAME_LENGTH + 1), id="too long"),
            pytest.param("-ab", id="begins with a mark"),
            pytest.param("ab.", id="ends with a mark"),
            pytest.param("a b", id="a space"),
            pytest.param("abc\n", id="a line break"),
            pytest.param("grace@navy", id="an at sign"),
            pytest.param(f"{KELVIN}ate", id="the Kelvin sign"),
            pytest.param("stra\u00dfe", id="sharp s"),
            pytest.param("\uff41\uff42\uff43", id="wide letters"),
            pytest.param("\u0430dmin", id="a Cyrillic a"),
            pytest.param("\u0661\u0662\u0663", id="Arabic digits"),
        ],
    )
    def test_refuses_look_alikes_and_odd_forms(self, name: str) -> None:
        with pytest.raises(Invalid) as refused:
            username_key(name)

        assert list(refused.value.details) == ["username"]


class TestReserved:
    @pytest.mark.parametrize("name", ["admin", "Admin", "ROOT", "support"])
    def test_keeps_back_names_that_pose_as_the_service(self, name: str) -> None:
        assert is_reserved(name)

    def test_leaves_all_others(self) -> None:
        assert not is_reserved("grace")

    def test_is_a_list_of_names_in_their_folded_form(self) -> None:
        assert {name.casefold() for name in RESERVED} == RESERVED
        assert len(RESERVED) > 20


class TestLoginKey:
    @pytest.mark.parametrize("typed", ["Grace@Navy.test", "  grace@navy.test ", "GRACE@NAVY.TEST"])
    def test_folds_what_was_typed_as_the_keys_are(self, typed: str) -> None:
        assert login_key(typed) == email_key("grace@navy.test")

    @pytest.mark.parametrize("typed", ["grace@xn--exmple-cua.org", "Grace@EX\u00c4MPLE.org", "grace@fa\u00df.test"])
    def test_folds_international_addresses_as_the_keys_are(self, typed: str) -> None:
        assert login_key(typed) == email_key(typed)

    @pytest.mark.parametrize("typed", ["", "no such thing!", "\u0000", "x" * 10_000])
    def test_judges_nothing(self, typed: str) -> None:
        assert len(login_key(typed)) <= EMAIL_LENGTH

    def test_finds_no_one_by_a_look_alike_of_their_address(self) -> None:
        assert login_key(f"m{DOTLESS_I}ke@navy.test") != email_key("mike@navy.test")


def test_an_address_with_a_local_part_beyond_64_is_refused() -> None:
    with pytest.raises(Invalid):
        email_key("a" * 65 + "@people.test")
