import pytest

from tests.api import Answer, Api

COMPOSED, DECOMPOSED = "Caf\u00e9-au-lait-42!", "Cafe\u0301-au-lait-42!"


def register(api: Api, password: object) -> Answer:
    return api.post("/auth/register", {"username": "grace", "email": "hopper@navy.test", "password": password})


class TestPasswordPolicy:
    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            pytest.param("", "at least", id="empty"),
            pytest.param("Sh0rt.x", "at least 8", id="short"),
            pytest.param("kx9vq2lmw", "upper and lower", id="no capital"),
            pytest.param("KX9VQ2LMW", "upper and lower", id="no small letter"),
            pytest.param("KxVqLmWzRt", "digit", id="no digit"),
            pytest.param("Password1", "leaked", id="leaked with a digit"),
            pytest.param("Password123!", "leaked", id="leaked with a longer tail"),
            pytest.param("Qwertyuiop12", "leaked", id="keyboard row"),
            pytest.param("aaaaaaaaaaaaaaaa", "guess", id="one letter many times"),
            pytest.param("abcdefghijklmnopqrst", "guess", id="alphabet"),
            pytest.param("x9" * 64 + "Y", "at most 128", id="long"),
        ],
    )
    def test_says_why_a_password_is_refused(self, api: Api, password: str, reason: str) -> None:
        answer = register(api, password)

        assert answer.status_code == 422
        assert list(answer.details) == ["password"]
        assert reason in " ".join(answer.details["password"])

    @pytest.mark.parametrize("password", ["Zylophant1", "Quarxim2026", "Wystobel77"])
    def test_refuses_the_owners_own_names(self, api: Api, password: str) -> None:
        owner = {"username": "zylophant", "email": "quarxim@people.test", "last_name": "Wystobel"}
        stranger = {"username": "grace", "email": "hopper@navy.test"}

        own = api.post("/auth/register", {**owner, "password": password})
        anothers = api.post("/auth/register", {**stranger, "password": password})

        assert (own.status_code, anothers.status_code) == (422, 201)
        assert "guess" in own.details["password"][0]

    @pytest.mark.parametrize(
        "password",
        [
            pytest.param("kX9vQ2lmZ", id="short and mixed"),
            pytest.param("glacier mantle orbit thistle", id="words without capital and digit"),
            pytest.param("Zq8!Vw3?Lm5%Rt7#Bn9/" * 4 + "plume", id="more than 72 characters"),
            pytest.param(
                "\u6b63\u78ba\u306a\u99ac\u306e\u96fb\u6c60\u306e\u30db\u30c1\u30ad\u30b9\u4e94\u4e03\u516b",
                id="no latin letter",
            ),
            pytest.param("pa ss\U0001f600W0rd-xyzzy", id="space and emoji"),
        ],
    )
    def test_accepts_and_later_recognises(self, api: Api, password: str) -> None:
        assert register(api, password).status_code == 201

        answer = api.post("/auth/login", {"username": "grace", "password": password})

        assert answer.status_code == 200

    def test_cuts_nothing_off(self, api: Api) -> None:
        password = "velvet mantis plumes twelve " * 4 + "0123456789abcdef"
        assert len(password) == 128
        register(api, password)

        answer = api.post("/auth/login", {"username": "grace", "password": password[:-1]})

        assert answer.status_code == 401

    @pytest.mark.parametrize(
        ("chosen", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)], ids=["from nfc", "from nfd"]
    )
    def test_is_the_same_however_it_is_composed(self, api: Api, chosen: str, typed: str) -> None:
        register(api, chosen)

        answer = api.post("/auth/login", {"username": "grace", "password": typed})

        assert answer.status_code == 200

    def test_folds_nothing_else(self, api: Api) -> None:
        register(api, "Velvet\uff11Mantis1plume")

        answer = api.post("/auth/login", {"username": "grace", "password": "Velvet1Mantis1plume"})

        assert answer.status_code == 401

    def test_never_echoes_what_was_sent(self, api: Api) -> None:
        answer = register(api, "Hunter2x")

        assert answer.status_code == 422
        assert "Hunter2x" not in answer.text

    @pytest.mark.parametrize("password", [None, 12345678, ["kX9vQ2lm"], {"a": 1}, True], ids=repr)
    def test_refuses_what_is_no_text(self, api: Api, password: object) -> None:
        answer = register(api, password)

        assert answer.status_code == 422
        assert list(answer.details) == ["password"]

    @pytest.mark.parametrize("password", ["kX9v\\u0000Q2lm", "kX9v\\ud800Q2lm"], ids=["NUL", "surrogate"])
    def test_refuses_what_no_database_stores(self, api: Api, password: str) -> None:
        body = f'{{"username": "grace", "email": "hopper@navy.test", "password": "{password}"}}'

        answer = api.post("/auth/register", data=body.encode())

        assert answer.status_code == 422
        assert list(answer.details) == ["password"]
