"""The description of the routes is true: random requests made from it never break the server (Schemathesis)."""

import os

import hypothesis
import pytest
import query_stores
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pipeline.serve import Guard, Network, Shelf, create_app
from pipeline.serve.price import Gate

ROUTES = {
    "/api/metadata", "/api/versions", "/api/zarr/{version}/{key}", "/api/hours", "/api/regions", "/api/borders",
    "/api/series", "/api/maps", "/api/map.png", "/api/ledger", "/api/ledger/schema", "/api/stations",
    "/api/stations/{station}", "/api/health",
}  # fmt: skip


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: requests of each route; more in the soak
EXAMPLES = 200 if os.environ.get("SOAK") else 15


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    query_stores.hours_of(query_stores.run(folder), folder)
    gate = Gate()
    # thousands of requests a second are what is wanted here
    gate.count = lambda _: None
    shelf = Shelf(folder / "store")
    yield Guard(create_app(shelf, Network(None), gate), gate, ["localhost", "testserver"])
    shelf.close()


@pytest.fixture(scope="module")
def described(application):
    return schemathesis.openapi.from_asgi("/openapi.json", application)


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_no_request_made_from_the_description_breaks_the_server(described, route):
    seen = set()

    @hypothesis.given(case=described[route]["GET"].as_strategy())
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case):
        reply = case.call()
        seen.add(reply.status_code)
        case.validate_response(reply, checks=CHECKS)

    ask()
    assert seen <= {200, 400, 404, 410, 413, 414}


def test_every_route_is_described(described):
    assert set(described.raw_schema["paths"]) == ROUTES
    for path, methods in described.raw_schema["paths"].items():
        assert set(methods) == {"get"}, path
        assert methods["get"]["description"], path
