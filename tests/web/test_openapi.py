import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.web.declaration import of
from tests.api import Api, a_user, an_admin
from tests.web.answers import PROBLEM, Asked
from tests.world import World

Json = dict[str, Any]

LINKS = {"/change-email", "/reset-password", "/undo-email", "/verify-email"}
HIDDEN = {
    "/docs",
    "/metrics",
    "/openapi.json",
    "/openapi.yaml",
    "/setup",
    "/signed-in",
    "/static/<path:filename>",
} | LINKS
COMMON = {"200", "201", "202", "204", "303"}


@pytest.fixture
def document(api: Api) -> Json:
    return dict(api.get("/openapi.json").json)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def at(document: Json, method: str, path: str) -> Json:
    return dict(document["paths"][path][method])


def references(node: Any) -> Iterator[str]:
    """Yield every reference in a document."""
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
        for value in node.values():
            yield from references(value)
    if isinstance(node, list):
        for value in node:
            yield from references(value)


class TestDocument:
    def test_is_openapi_3_1(self, document: Json) -> None:
        assert document["openapi"].startswith("3.1.")
        assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []

    def test_is_the_same_as_yaml(self, api: Api, document: Json) -> None:
        answer = api.get("/openapi.yaml")

        assert answer.content_type == "application/yaml"
        assert yaml.safe_load(answer.text) == document

    def test_says_who_we_are(self, document: Json) -> None:
        assert document["info"]["title"] == "Carboy"
        assert re.fullmatch(r"\d+\.\d+\.\d+", document["info"]["version"])
        assert document["info"]["license"]["identifier"] == "MIT"

    def test_names_no_server_but_the_one_it_came_from(self, document: Json) -> None:
        assert document.get("servers", []) == []

    def test_refers_to_nothing_that_is_missing_and_keeps_nothing_unused(self, document: Json) -> None:
        used = {reference.rpartition("/")[2] for reference in references(document)}

        assert used == set(document["components"]["schemas"])

    def test_tells_nothing_of_the_inside(self, api: Api) -> None:
        text = api.get("/openapi.json").text

        assert [
            word for word in ("app.", "password_hash", "sqlalchemy", "pydantic", "NewAccount") if word in text
        ] == []

    def test_is_made_once(self, api: Api) -> None:
        assert api.get("/openapi.json").data == api.get("/openapi.json").data


class TestPaths:
    def test_are_all_routes_that_are_not_hidden(self, world: World, document: Json) -> None:
        served = {
            (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
            for rule in world.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
            if rule.rule not in HIDDEN
        }

        assert {(path, method) for path, method, _ in operations(document)} == served

    def test_hide_pages_and_files_only(self, world: World) -> None:
        hidden = {
            rule.rule
            for rule in world.app.url_map.iter_rules()
            if rule.endpoint == "static" or of(world.app.view_functions[rule.endpoint]).hidden
        }

        assert hidden == HIDDEN

    def test_have_an_id_each_without_underscores(self, document: Json) -> None:
        ids = [operation["operationId"] for _, _, operation in operations(document)]

        assert len(set(ids)) == len(ids) > 30
        assert [name for name in ids if not re.fullmatch(r"[a-z][A-Za-z]*", name)] == []

    def test_have_tags_without_underscores_that_are_listed(self, document: Json) -> None:
        listed = [tag["name"] for tag in document["tags"]]
        used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}

        assert set(listed) == used
        assert len(listed) == len(used)
        assert [name for name in listed if not re.fullmatch(r"[a-z][a-z-]*", name)] == []

    def test_have_a_summary_each(self, document: Json) -> None:
        summaries = [operation["summary"] for _, _, operation in operations(document)]

        assert [text for text in summaries if not re.fullmatch(r"[A-Z].{3,120}[^.]", text)] == []

    def test_name_every_part_of_the_path(self, document: Json) -> None:
        for path, _, operation in operations(document):
            named = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]

            assert named == re.findall(r"{(\w+)}", path)

    def test_name_the_query_of_lists(self, document: Json) -> None:
        names = {parameter["name"] for parameter in at(document, "get", "/api/v1/users")["parameters"]}

        assert names == {"page", "per_page", "cursor", "count", "q", "role", "active", "deleted", "sort"}

    def test_name_if_match_where_it_is_looked_at(self, document: Json) -> None:
        conditional = {
            (method, path)
            for path, method, operation in operations(document)
            if "If-Match" in [parameter["name"] for parameter in operation["parameters"]]
        }

        assert conditional == {
            ("patch", "/auth/me"),
            ("put", "/api/v1/users/{user_id}"),
            ("patch", "/api/v1/users/{user_id}"),
            ("delete", "/api/v1/users/{user_id}"),
            ("patch", "/api/v1/roles/{role_id}"),
            ("delete", "/api/v1/roles/{role_id}"),
        }

    def test_say_which_permission_they_need(self, document: Json) -> None:
        assert "Needs `users:write`." in at(document, "post", "/api/v1/users")["description"]


class TestSecurity:
    PUBLIC = (
        ("get", "/"),
        ("get", "/health"),
        ("get", "/healthz"),
        ("get", "/readiness"),
        ("get", "/.well-known/jwks.json"),
        ("get", "/api/v1/visits"),
        ("post", "/api/v1/visits"),
        ("post", "/auth/passkeys/login/options"),
        ("post", "/auth/passkeys/login/verify"),
        ("post", "/auth/register"),
        ("post", "/auth/login"),
        ("post", "/auth/refresh"),
        ("post", "/auth/login/mfa"),
        ("post", "/auth/logout"),
        ("post", "/auth/password/forgot"),
        ("post", "/auth/password/reset"),
        ("post", "/auth/email/verify"),
        ("post", "/auth/email/resend"),
        ("post", "/auth/email/change/confirm"),
        ("post", "/auth/email/change/undo"),
        ("get", "/auth/oidc"),
        ("get", "/auth/oidc/{provider}/start"),
        ("get", "/auth/oidc/{provider}/callback"),
        ("post", "/auth/oidc/token"),
    )

    def test_asks_for_a_token_everywhere_but_where_anybody_may_call(self, document: Json) -> None:
        public = {(method, path) for path, method, operation in operations(document) if operation["security"] == []}

        assert public == set(self.PUBLIC)

    def test_is_a_bearer_token(self, document: Json) -> None:
        scheme = document["components"]["securitySchemes"]["bearer"]

        assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")

    def test_is_an_api_key_where_one_is_taken(self, document: Json) -> None:
        scheme = document["components"]["securitySchemes"]["apiKey"]
        asked = {
            (method, path): [name for way in operation["security"] for name in way]
            for path, method, operation in operations(document)
        }

        assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
        assert asked["get", "/auth/me"] == asked["get", "/api/v1/users"] == ["bearer", "apiKey"]
        assert asked["patch", "/auth/me"] == asked["post", "/api/v1/api-keys"] == ["bearer"]
        assert asked["post", "/api/v1/users/{user_id}/impersonate"] == ["bearer"]


class TestResponses:
    EVERYWHERE = {"429", "503"}
    BODY = {"400", "413", "415", "422"}
    GUARDED = {"412", "428"}

    def test_are_those_of_me(self, document: Json) -> None:
        responses = at(document, "get", "/auth/me")["responses"]

        assert set(responses) == {"200", "401"} | self.EVERYWHERE
        assert "ETag" in responses["200"]["headers"]

    def test_of_failures_have_both_forms(self, document: Json) -> None:
        for _, _, operation in operations(document):
            for status, response in operation["responses"].items():
                wanted = {"application/json", PROBLEM} if status not in {*COMMON, "503"} else set()
                assert wanted <= set(response.get("content", {}))

    def test_of_lists_are_refusals_too(self, document: Json) -> None:
        responses = at(document, "get", "/api/v1/users")["responses"]

        assert set(responses) == {"200", "400", "401", "403", "422"} | self.EVERYWHERE

    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_of_changes_are_all_that_can_go_wrong(self, document: Json, method: str) -> None:
        responses = at(document, method, "/api/v1/users/{user_id}")["responses"]

        assert set(responses) == {"200", "401", "403", "404", "409"} | self.BODY | self.GUARDED | self.EVERYWHERE

    def test_of_deletions_have_no_body(self, document: Json) -> None:
        assert "content" not in at(document, "delete", "/api/v1/users/{user_id}")["responses"]["204"]

    def test_of_creations_say_where_the_new_thing_is(self, document: Json) -> None:
        created = at(document, "post", "/api/v1/users")["responses"]["201"]

        assert set(created["headers"]) == {"ETag", "Location"}

    @pytest.mark.parametrize(
        ("method", "path", "codes"),
        [
            ("post", "/auth/register", ["EMAIL_TAKEN", "USERNAME_TAKEN"]),
            ("post", "/auth/login", ["INVALID_CREDENTIALS", "ACCOUNT_DISABLED"]),
            ("post", "/auth/refresh", ["INVALID_TOKEN", "REFRESH_TOKEN_REUSED"]),
            ("post", "/auth/logout", ["UNAUTHENTICATED", "INVALID_TOKEN"]),
            ("delete", "/api/v1/users/{user_id}", ["LAST_ADMINISTRATOR", "PRIVILEGE_ESCALATION"]),
        ],
    )
    def test_name_the_codes_that_clients_tell_apart(
        self, document: Json, method: str, path: str, codes: list[str]
    ) -> None:
        told = " ".join(response["description"] for response in at(document, method, path)["responses"].values())

        assert [code for code in codes if f"`{code}`" not in told] == []

    @pytest.mark.parametrize(
        "asked",
        [
            Asked("POST", "/auth/logout"),
            Asked("POST", "/auth/logout", data=b"{"),
            Asked("POST", "/auth/logout?scope=all"),
            Asked("POST", "/auth/refresh"),
            Asked("POST", "/auth/refresh", data=b"[]"),
            Asked("POST", "/auth/login", data=b" " * 20_000),
            Asked("GET", "/auth/me"),
            Asked("PATCH", "/auth/me", body={}),
            Asked("DELETE", "/auth/sessions?except=nobody"),
            Asked("GET", "/api/v1/roles?page=0"),
            Asked("POST", "/api/v1/visits", body={"page": "no"}),
        ],
        ids=lambda asked: f"{asked.method} {asked.path}",
    )
    def test_hold_every_status_that_a_client_meets(self, api: Api, document: Json, asked: Asked) -> None:
        path = asked.path.partition("?")[0]

        met = {str(asked.by(client).status_code) for client in (api, api.as_(a_user()), api.as_(an_admin()))}

        assert met <= set(at(document, asked.method.lower(), path)["responses"])


class TestSchemas:
    def test_of_bodies_refuse_unknown_fields(self, document: Json) -> None:
        for _, _, operation in operations(document):
            bodies = operation.get("requestBody", {"content": {}})["content"].values()
            names = [body["schema"]["$ref"].rpartition("/")[2] for body in bodies]

            assert [document["components"]["schemas"][name]["additionalProperties"] for name in names] == [
                False for _ in names
            ]

    def test_of_failures_have_every_member(self, document: Json) -> None:
        error, problem = (document["components"]["schemas"][name] for name in ("Error", "Problem"))

        assert set(error["required"]) == {"status", "error", "metadata"}
        assert set(error["properties"]["error"]["required"]) == {"code", "message", "details"}
        assert set(problem["properties"]) == {
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "code",
            "request_id",
            "errors",
        }

    def test_of_passwords_are_never_in_answers(self, document: Json) -> None:
        shapes = document["components"]["schemas"]

        leaking = [name for name in shapes if name.endswith("Out") and "password" in str(shapes[name]).lower()]
        assert leaking == []
