"""Schemathesis tries every address with what its description allows and forbids."""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method
from tests.web.conftest import Served
from tests.web.replay import ReplayCity

from cityloop.web.app import route_table
from cityloop.web.openapi import document
from cityloop.web.port import CityPort

TABLE = route_table(cast(CityPort, ReplayCity()), asyncio.Event())
# A body that is too large is turned away before it is read, whatever else is wrong with it.
REFUSED = [
    "400",
    "401",
    "403",
    "404",
    "405",
    "406",
    "409",
    "413",
    "415",
    "422",
    "428",
    "429",
    "5xx",
]
CONFIG = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSED}}}
)
api = schemathesis.openapi.from_dict(document(TABLE), config=CONFIG).exclude(
    path="/api/stream"  # never ends
)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    assets = tmp_path_factory.mktemp("assets")
    (assets / "index.html").touch()
    one = Served(ReplayCity(), assets)
    one.advance(120)
    yield one
    one.close()


@api.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_the_server_or_gets_an_answer_that_is_not_described(
    case: schemathesis.Case, tried: Served
) -> None:
    case.call_and_validate(
        base_url=tried.url,
        headers={"Origin": tried.url},
        excluded_checks=[
            unsupported_method,  # the door stands before the verbs: test_openapi
            positive_data_acceptance,  # no schema says rules between fields, nor 7.0 for 7
        ],
    )
