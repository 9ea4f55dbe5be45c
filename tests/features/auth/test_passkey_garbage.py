"""Whatever is sent as a credential is refused by name, and never an accident."""

import json
import time
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api import Answer, Api, a_user
from tests.features.auth.passkeys import LOGIN, REGISTER, a_device, creation, request
from tests.features.factors.authenticator import Authenticator, Json, b64, unb64
from tests.stepup import stepped_up
from tests.world import SERVICES

pytestmark = pytest.mark.skipif(SERVICES, reason="what is no credential never gets as far as the database")

EXAMPLES = settings(max_examples=30)
REFUSALS = {400, 401, 413, 422}

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=60).map(b64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CBOR = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-4, 4) | st.text(max_size=4), inner),
    max_leaves=8,
).map(cbor2.dumps)
BYTES = st.binary(max_size=300) | CBOR
PARTS = ("clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject", "transports")
CHALLENGE = b64(bytes(32))

BOMBS: dict[str, bytes] = {
    "a list in a list, and so on": b"\x81" * 9000,
    "a list that says it is endless": b"\x9b" + b"\xff" * 8,
    "bytes that say they are endless": b"\x5b\x7f" + b"\xff" * 7,
    "a number beyond all": b"\xc2\x59\x20\x00" + b"\xff" * 0x2000,
    "a fraction beyond all": b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\x01",
    "a power beyond all": b"\xc5\x82\x1b\x7f" + b"\xff" * 7 + b"\x01",
    "a list that holds itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "an expression": b"\xd8\x23\x78\x18((((a+)+)+)+)+$" + b"a" * 10,
}


def an_assertion(**changed: Any) -> Json:
    answer = Authenticator(handle=b"somebody").get({"challenge": CHALLENGE})
    return {**answer, "response": answer["response"] | changed}


def an_attestation(**changed: Any) -> Json:
    answer = Authenticator().create({"user": {"id": ""}, "challenge": CHALLENGE})
    return {**answer, "response": answer["response"] | changed}


EITHER = an_assertion(**an_attestation()["response"])
"""Well formed for both ceremonies."""

Send = Callable[[Any], Answer]


@pytest.fixture
def send_to(api: Api, monkeypatch: pytest.MonkeyPatch) -> dict[str, Send]:
    """Both ceremonies, to somebody who may register; no address is refused for having tried too often."""
    monkeypatch.setattr("app.features.auth.throttle.reserve", lambda _guesses: None)
    hers = stepped_up(api, a_user())
    return {
        "login": lambda credential: api.post(f"{LOGIN}/verify", {"credential": credential}),
        "register": lambda credential: hers.post(f"{REGISTER}/verify", {"credential": credential}),
    }


@pytest.mark.parametrize("ceremony", ["login", "register"])
class TestGarbage:
    @EXAMPLES
    @given(credential=ANYTHING)
    def test_of_any_shape_is_refused(self, send_to: dict[str, Send], ceremony: str, credential: Any) -> None:
        assert send_to[ceremony](credential).status_code in REFUSALS

    @EXAMPLES
    @given(part=st.sampled_from(PARTS), value=ANYTHING)
    def test_in_any_part_is_refused(self, send_to: dict[str, Send], ceremony: str, part: str, value: Any) -> None:
        credentials = {"login": an_assertion, "register": an_attestation}

        assert send_to[ceremony](credentials[ceremony](**{part: value})).status_code in REFUSALS

    @EXAMPLES
    @given(part=st.sampled_from(PARTS[:-1]), value=BYTES)
    def test_of_bytes_in_any_part_is_refused(
        self, send_to: dict[str, Send], ceremony: str, part: str, value: bytes
    ) -> None:
        credentials = {"login": an_assertion, "register": an_attestation}

        assert send_to[ceremony](credentials[ceremony](**{part: b64(value)})).status_code in REFUSALS

    @EXAMPLES
    @given(said=ANYTHING)
    def test_as_client_data_is_refused(self, send_to: dict[str, Send], ceremony: str, said: Any) -> None:
        kinds = {"login": (an_assertion, "webauthn.get"), "register": (an_attestation, "webauthn.create")}
        make, kind = kinds[ceremony]
        written = json.dumps({"type": kind, "challenge": said, "origin": said, "tokenBinding": said}).encode()

        assert send_to[ceremony](make(clientDataJSON=b64(written))).status_code in REFUSALS

    def test_that_is_too_big_is_refused(self, send_to: dict[str, Send], ceremony: str) -> None:
        huge = an_assertion(signature="A" * 20_000, attestationObject="A" * 20_000)

        assert send_to[ceremony](huge).status_code == 413

    @pytest.mark.parametrize(
        "credential",
        [
            {},
            {**EITHER, "type": "password"},
            {**EITHER, "response": {}},
            {**EITHER, "id": "x", "rawId": "eA"},
            {**EITHER, "rawId": "A"},
            an_assertion(clientDataJSON="e30", attestationObject="oA"),
            an_assertion(clientDataJSON="A", attestationObject="A"),
            an_assertion(clientDataJSON="not base64!", attestationObject="not base64!"),
            an_assertion(authenticatorData="AAAA", attestationObject="AAAA"),
        ],
        ids=["nothing", "another type", "no response", "two ids", "no bytes", "no data", "cut", "no base64", "short"],
    )
    def test_is_told_from_what_is_wrong(self, send_to: dict[str, Send], ceremony: str, credential: Json) -> None:
        answer = send_to[ceremony](credential)

        assert (answer.status_code, answer.code) == (422, "VALIDATION_ERROR")


class TestBombs:
    @pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
    def test_as_an_attestation_do_not_go_off(self, send_to: dict[str, Send], bomb: bytes) -> None:
        started = time.perf_counter()

        answer = send_to["register"](an_attestation(attestationObject=b64(bomb)))

        assert answer.status_code == 422
        assert time.perf_counter() - started < 1

    @pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
    def test_as_a_key_do_not_go_off(self, send_to: dict[str, Send], bomb: bytes) -> None:
        data = unb64(Authenticator().get({"challenge": CHALLENGE})["response"]["authenticatorData"])
        flagged = data[:32] + bytes([0x45]) + data[33:]
        made = flagged + bytes(16) + (16).to_bytes(2, "big") + bytes(16) + bomb
        started = time.perf_counter()

        answers = [
            send_to["register"](
                an_attestation(attestationObject=b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": made})))
            ),
            send_to["login"](an_assertion(authenticatorData=b64(made))),
        ]

        assert {answer.status_code for answer in answers} <= {401, 422}
        assert time.perf_counter() - started < 1


class TestKeys:
    """Keys of a registration that is right in all else."""

    @EXAMPLES
    @given(
        key=st.dictionaries(
            st.sampled_from([1, 3, -1, -2, -3]),
            st.sampled_from([1, 2, 3, 6, 7, -7, -8, -257, -48, 0, True, None]) | st.binary(max_size=31) | st.text(),
        )
    )
    def test_that_are_none_are_refused(self, api: Api, key: dict[int, Any]) -> None:
        hers = stepped_up(api, a_user())
        device = Authenticator()
        device.key.cose = {3: -7} | key

        answer = hers.post(f"{REGISTER}/verify", {"credential": device.create(creation(hers))})

        assert answer.status_code == 422, answer.text

    @EXAMPLES
    @given(place=st.integers(0, 400), bit=st.integers(0, 7))
    def test_signed_bytes_cannot_be_changed(self, api: Api, send_to: dict[str, Send], place: int, bit: int) -> None:
        device = a_device(api, a_user())
        credential = device.get(request(api))
        parts = ("authenticatorData", "signature", "clientDataJSON")
        sizes = [len(unb64(credential["response"][part])) for part in parts]
        at = place % sum(sizes)
        part = next(n for n in range(3) if at < sum(sizes[: n + 1]))
        changed = bytearray(unb64(credential["response"][parts[part]]))
        changed[at - sum(sizes[:part])] ^= 1 << bit
        credential["response"][parts[part]] = b64(bytes(changed))

        assert send_to["login"](credential).status_code in {401, 422}
