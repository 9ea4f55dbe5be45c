import base64
import hmac
import json
from hashlib import sha256
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.core import signing
from app.core.errors import InvalidToken
from app.core.signing import ACCESS, REFRESH, Signer, generate_key, kid_of, public_jwk, read_key

ISSUER = "https://accounts.test"
NOW = 1_800_000_000
CLAIMS: dict[str, Any] = {"sub": "1", "sid": "s", "jti": "j", "iat": NOW, "exp": NOW + 60}
KEY = generate_key()
KID = str(KEY.kid)
PRIVATE = cast("EllipticCurvePrivateKey", KEY.private_key)
HEADERS = st.dictionaries(st.sampled_from(["alg", "typ", "kid", "x"]), st.none() | st.text() | st.lists(st.text()))


@pytest.fixture
def signer() -> Signer:
    return Signer(issuer=ISSUER, active=KEY, known=[])


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed_by_us(*, header: dict[str, Any] | None = None, body: Any = None) -> str:
    """Return a token whose signature is right, though its header or body may not be."""
    claims = {"iss": ISSUER, "aud": "api", **CLAIMS} if body is None else body
    full = {"alg": "ES256", "typ": "at+jwt", "kid": KID, **(header or {})}
    text = f"{encoded(full)}.{encoded(claims)}"
    raw = PRIVATE.sign(text.encode(), ECDSA(SHA256()))
    r, s = decode_dss_signature(raw)
    signature = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
    return f"{text}.{signature}"


class TestSign:
    def test_writes_type_key_and_algorithm_into_the_header(self, signer: Signer) -> None:
        header = decoded(signer.sign(ACCESS, CLAIMS).split(".")[0])

        assert header == {"alg": "ES256", "typ": "at+jwt", "kid": KID}

    @pytest.mark.parametrize(("kind", "audience"), [(ACCESS, "api"), (REFRESH, "refresh")])
    def test_writes_issuer_and_audience_beside_the_claims(
        self, signer: Signer, kind: signing.Kind, audience: str
    ) -> None:
        body = decoded(signer.sign(kind, CLAIMS).split(".")[1])

        assert body == {"iss": ISSUER, "aud": audience, **CLAIMS}

    def test_gives_the_same_token_for_the_same_claims(self, signer: Signer) -> None:
        assert signer.sign(ACCESS, CLAIMS) == signer.sign(ACCESS, CLAIMS)

    def test_gives_another_token_for_other_claims(self, signer: Signer) -> None:
        assert signer.sign(ACCESS, CLAIMS) != signer.sign(ACCESS, {**CLAIMS, "jti": "k"})


class TestRead:
    def test_returns_the_claims(self, signer: Signer) -> None:
        claims = signer.read(ACCESS, signer.sign(ACCESS, CLAIMS), now=NOW)

        assert claims == {"iss": ISSUER, "aud": "api", **CLAIMS}

    def test_reads_what_a_retired_key_signed(self, signer: Signer) -> None:
        token = signer.sign(ACCESS, CLAIMS)
        rotated = Signer(issuer=ISSUER, active=generate_key(), known=[KEY])

        assert rotated.read(ACCESS, token, now=NOW)["jti"] == "j"
        assert rotated.knows(KID)
        assert [key.kid for key in rotated.known()] == [rotated.active.kid, KID]

    def test_refuses_what_an_unknown_key_signed(self, signer: Signer) -> None:
        stranger = Signer(issuer=ISSUER, active=generate_key(), known=[])

        with pytest.raises(InvalidToken):
            signer.read(ACCESS, stranger.sign(ACCESS, CLAIMS), now=NOW)

    def test_refuses_a_signature_by_another_key_under_our_name(self, signer: Signer) -> None:
        stranger = Signer(issuer=ISSUER, active=generate_key(), known=[])
        _, body, signature = stranger.sign(ACCESS, CLAIMS).split(".")
        header = signer.sign(ACCESS, CLAIMS).split(".")[0]

        with pytest.raises(InvalidToken):
            signer.read(ACCESS, f"{header}.{body}.{signature}", now=NOW)

    @pytest.mark.parametrize(("signed", "read"), [(ACCESS, REFRESH), (REFRESH, ACCESS)])
    def test_keeps_the_kinds_apart(self, signer: Signer, signed: signing.Kind, read: signing.Kind) -> None:
        token = signer.sign(signed, {**CLAIMS, "gen": 0})

        with pytest.raises(InvalidToken):
            signer.read(read, token, now=NOW)

    @pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "jti", "iat", "exp"])
    def test_refuses_a_token_without_a_claim(self, signer: Signer, claim: str) -> None:
        body = {name: value for name, value in {"iss": ISSUER, "aud": "api", **CLAIMS}.items() if name != claim}

        with pytest.raises(InvalidToken):
            signer.read(ACCESS, signed_by_us(body=body), now=NOW)

    def test_refuses_a_refresh_token_without_generation(self, signer: Signer) -> None:
        with pytest.raises(InvalidToken):
            signer.read(REFRESH, signer.sign(REFRESH, CLAIMS), now=NOW)

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"iss": ISSUER + "/"}, id="a longer issuer"),
            pytest.param({"iss": ISSUER[:-1]}, id="a shorter issuer"),
            pytest.param({"iss": [ISSUER]}, id="a list of issuers"),
            pytest.param({"aud": "refresh"}, id="the other audience"),
            pytest.param({"aud": ["api"]}, id="a list of audiences"),
            pytest.param({"exp": str(NOW + 60)}, id="an end that is text"),
            pytest.param({"exp": None}, id="an end that is null"),
            pytest.param({"exp": NOW + 60.5}, id="an end that is a fraction"),
            pytest.param({"iat": "0"}, id="a beginning that is text"),
            pytest.param({"iat": NOW + 6}, id="a beginning beyond the leeway"),
            pytest.param({"exp": NOW}, id="an end that is now"),
        ],
    )
    def test_compares_exactly(self, signer: Signer, changed: dict[str, Any]) -> None:
        token = signed_by_us(body={"iss": ISSUER, "aud": "api", **CLAIMS, **changed})

        with pytest.raises(InvalidToken):
            signer.read(ACCESS, token, now=NOW)

    @pytest.mark.parametrize(("after", "holds"), [(59, True), (60, False), (61, False), (-5, True), (-6, False)])
    def test_holds_from_its_beginning_to_its_end(self, signer: Signer, after: int, *, holds: bool) -> None:
        token = signer.sign(ACCESS, CLAIMS)

        assert is_read(signer, token, now=NOW + after) is holds

    def test_looks_at_the_time_also_of_a_token_it_read_before(self, signer: Signer) -> None:
        token = signer.sign(ACCESS, CLAIMS)

        assert is_read(signer, token, now=NOW)
        assert not is_read(signer, token, now=NOW + 60)
        assert is_read(signer, token, now=NOW + 1)

    def test_looks_at_the_kind_also_of_a_token_it_read_before(self, signer: Signer) -> None:
        token = signer.sign(ACCESS, {**CLAIMS, "gen": 0})
        signer.read(ACCESS, token, now=NOW)

        with pytest.raises(InvalidToken):
            signer.read(REFRESH, token, now=NOW)

    def test_remembers_a_bounded_number_of_tokens(self, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(signing, "_CACHE_SIZE", 3)

        for number in range(6):
            signer.read(ACCESS, signer.sign(ACCESS, {**CLAIMS, "jti": str(number)}), now=NOW)

        assert len(signer._verified) == 3


class TestForgery:
    @pytest.mark.parametrize(
        "header",
        [
            pytest.param({"crit": ["exp"]}, id="crit"),
            pytest.param({"jwk": public_jwk(KEY)}, id="jwk"),
            pytest.param({"jku": "https://evil.test/jwks"}, id="jku"),
            pytest.param({"x5u": "https://evil.test/cert"}, id="x5u"),
            pytest.param({"b64": False}, id="b64"),
            pytest.param({"cty": "JWT"}, id="cty"),
            pytest.param({"typ": "JWT"}, id="another typ"),
            pytest.param({"typ": "AT+JWT"}, id="typ in capitals"),
            pytest.param({"alg": "ES384"}, id="another algorithm"),
            pytest.param({"kid": "unknown"}, id="an unknown kid"),
            pytest.param({"kid": None}, id="a kid that is null"),
            pytest.param({"kid": {"$ne": 1}}, id="a kid that is an object"),
        ],
    )
    def test_refuses_any_other_header_even_if_rightly_signed(self, signer: Signer, header: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            signer.read(ACCESS, signed_by_us(header=header), now=NOW)

    def test_accepts_the_header_that_we_write(self, signer: Signer) -> None:
        assert is_read(signer, signed_by_us(), now=NOW)

    @pytest.mark.parametrize("body", [[], "x", 1, True], ids=["list", "text", "number", "boolean"])
    def test_refuses_a_body_that_is_no_object(self, signer: Signer, body: Any) -> None:
        assert not is_read(signer, signed_by_us(body=body), now=NOW)

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
    def test_refuses_a_token_without_signature(self, signer: Signer, algorithm: str) -> None:
        header = {"alg": algorithm, "typ": "at+jwt", "kid": KID}
        body = {"iss": ISSUER, "aud": "api", **CLAIMS}

        assert not is_read(signer, f"{encoded(header)}.{encoded(body)}.", now=NOW)

    def test_refuses_our_public_key_as_the_secret_of_an_hmac(self, signer: Signer) -> None:
        public = KEY.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        header = {"alg": "HS256", "typ": "at+jwt", "kid": KID}
        text = f"{encoded(header)}.{encoded({'iss': ISSUER, 'aud': 'api', **CLAIMS})}"
        mac = base64.urlsafe_b64encode(hmac.digest(public, text.encode(), "sha256")).rstrip(b"=").decode()

        assert not is_read(signer, f"{text}.{mac}", now=NOW)

    @pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "body", "signature"])
    def test_refuses_a_token_that_was_changed(self, signer: Signer, part: int) -> None:
        parts = signer.sign(ACCESS, CLAIMS).split(".")
        parts[part] = parts[part][::-1]

        assert not is_read(signer, ".".join(parts), now=NOW)

    @pytest.mark.parametrize(
        "token",
        [
            pytest.param("", id="nothing"),
            pytest.param("..", id="dots"),
            pytest.param("a.b", id="two parts"),
            pytest.param("a.b.c.d.e", id="five parts"),
            pytest.param("\u00e9.\u00e9.\u00e9", id="no ASCII"),
            pytest.param("\ud800", id="a lone surrogate"),
            pytest.param("W10.W10.W10", id="lists"),
            pytest.param("bnVsbA.e30.e30", id="null"),
            pytest.param('{"payload":"e30","signatures":[]}', id="JSON serialisation"),
            pytest.param("A" * 5000, id="5000 letters"),
        ],
    )
    def test_refuses_junk(self, signer: Signer, token: str) -> None:
        assert not is_read(signer, token, now=NOW)

    def test_refuses_a_right_token_that_is_too_long(self, signer: Signer) -> None:
        token = signer.sign(ACCESS, {**CLAIMS, "note": "x" * 4096})

        assert not is_read(signer, token, now=NOW)

    @given(
        header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "x"]), st.none() | st.text() | st.lists(st.text()))
    )
    def test_refuses_whatever_header_is_made_up(self, header: dict[str, Any]) -> None:
        token = f"{encoded(header)}.{encoded(CLAIMS)}.{encoded('x')}"

        assert not is_read(Signer(issuer=ISSUER, active=KEY, known=[]), token, now=NOW)
        assert isinstance(kid_of(token), str)

    @given(token=st.text(st.characters(exclude_categories=[]), max_size=100))
    def test_refuses_whatever_text_is_made_up(self, token: str) -> None:
        assert not is_read(Signer(issuer=ISSUER, active=KEY, known=[]), token, now=NOW)
        assert isinstance(kid_of(token), str)


class TestKeys:
    def test_are_named_by_their_thumbprint(self) -> None:
        jwk = public_jwk(KEY)
        canonical = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))

        thumbprint = base64.urlsafe_b64encode(sha256(canonical.encode()).digest()).rstrip(b"=").decode()

        assert KID == jwk["kid"] == thumbprint

    def test_show_their_public_part_only(self) -> None:
        jwk = public_jwk(KEY)

        assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (jwk["kty"], jwk["crv"], jwk["use"], jwk["alg"]) == ("EC", "P-256", "sig", "ES256")

    def test_are_the_same_when_read_back(self) -> None:
        pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

        assert read_key(pem).kid == KID

    def test_are_named_by_the_tokens_they_signed(self, signer: Signer) -> None:
        assert kid_of(signer.sign(ACCESS, CLAIMS)) == KID


def is_read(signer: Signer, token: str, *, now: float) -> bool:
    try:
        signer.read(ACCESS, token, now=now)
    except InvalidToken:
        return False
    return True
