"""Schemathesis tries every operation of the broker with what its description allows and forbids."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cityloop.web.ngsild.app import ROUTES
from cityloop.web.ngsild.openapi import document
from tests.broker.running import Running, running

# What nobody has comes first, whatever else is wrong with a request; a batch tells of each item.
REFUSED = ["207", "400", "403", "404", "405", "406", "409", "411", "413", "415", "422"]
OF_THE_STANDARD = ["501", "504"]
"""Not there yet; a @context that cannot be had."""
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "negative_data_rejection": {"expected-statuses": [*REFUSED, *OF_THE_STANDARD]},
            "not_a_server_error": {"expected-statuses": ["2xx", "4xx", *OF_THE_STANDARD]},
        }
    }
)
api = schemathesis.openapi.from_dict(document(ROUTES), config=CONFIG)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("broker"), unused_port) as started:
        yield started


@api.parametrize()
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_the_broker_or_gets_an_answer_that_is_not_described(
    case: schemathesis.Case, broker: Running
) -> None:
    case.call_and_validate(
        base_url=str(broker.client.base_url).removesuffix("/ngsi-ld/v1/"),
        excluded_checks=[positive_data_acceptance],  # no schema says rules between members
    )
