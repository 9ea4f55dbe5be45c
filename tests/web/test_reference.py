import json

import pytest

from app.core.version import VERSION
from tests.api import Api, an_admin
from tests.web.answers import PROBLEM, failure
from tests.world import World


class TestReference:
    def test_is_a_page(self, api: Api) -> None:
        answer = api.get("/docs")

        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        assert f"<span>{VERSION}</span>" in answer.text
        assert 'href="/openapi.json"' in answer.text

    def test_is_there_for_programs_too(self, api: Api) -> None:
        assert api.get("/docs", headers={"Accept": PROBLEM}).mimetype == "text/html"

    def test_needs_nothing_from_elsewhere(self, api: Api) -> None:
        page = api.get("/docs").text

        assert "//" not in page.replace("<!doctype html>", "").replace("//#", "")

    @pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/openapi.yaml"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_is_only_read(self, api: Api, path: str, method: str) -> None:
        assert failure(api.send(method, path), 405, "METHOD_NOT_ALLOWED") == {}

    @pytest.mark.parametrize("path", ["/openapi.json", "/openapi.yaml"])
    def test_is_the_same_for_everybody(self, api: Api, path: str) -> None:
        assert api.get(path).data == api.as_(an_admin()).get(path).data

    def test_is_named_after_the_service(self, world: World) -> None:
        api = Api(world.with_settings(service_name="accounts"))

        assert json.loads(api.get("/openapi.json").data)["info"]["title"] == "Accounts"
        assert api.get("/openapi.yaml").text.startswith("openapi: 3.1.")
