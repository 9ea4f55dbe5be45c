"""Requests made up from the OpenAPI document, by a signed-in administrator, valid ones and broken ones."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests import canary
from tests.api import Api, an_admin
from tests.architecture import source
from tests.world import World

AnyOperation = APIOperation[Any, Any, Any, Any]

EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
REFUSALS = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422]
CONFIG = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
ENDS_OWN_SESSION = re.compile(r"POST /auth/logout|DELETE /auth/sessions|sessions:revoke")


def operations(world: World, mode: GenerationMode) -> Iterator[AnyOperation]:
    """Return the operations to try; one that takes nothing cannot be given anything wrong."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", world.app, config=CONFIG)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        takes = operation.definition.raw.get("parameters") or operation.definition.raw.get("requestBody")
        if not ENDS_OWN_SESSION.search(operation.label) and (takes or mode.is_positive):
            yield operation


@pytest.fixture
def _literals_are_public(keeper: canary.Keeper) -> None:
    """Tell the canary that what stands in the code is no secret: Hypothesis tries its literals as well."""
    for module in source.modules():
        keeper.public.update(source.literals(module))


@pytest.mark.usefixtures("_literals_are_public")
@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_as_described(world: World, api: Api, mode: GenerationMode) -> None:
    admin = an_admin()
    signed_in = api.as_(admin)
    sent = {"Authorization": f"Bearer {admin.access_token}"}

    for operation in operations(world, mode):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answer(case: Any) -> None:
            case.call_and_validate(headers=sent, checks=CHECKS)

        answer()

        assert signed_in.get("/auth/me").status_code == 200, f"{operation.label} locked the administrator out"
