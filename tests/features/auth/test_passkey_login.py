"""Signing in with a passkey alone."""

from tests.api import Api, a_user
from tests.features.auth.passkeys import a_device, login


class TestLogin:
    def test_needs_neither_name_nor_password(self, api: Api) -> None:
        grace = a_user()
        device = a_device(api, grace)

        answer = login(api, device)

        assert answer.status_code == 200, answer.text
        assert answer.result["user"]["id"] == grace.id
