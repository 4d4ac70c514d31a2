"""Where notifications may go, and where nobody is led."""

from pathlib import Path

import pytest

from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.interconnection.broker.reach import EVERYWHERE, Reach, reach_of
from cityloop.kernel.errors import ConfigError
from cityloop.standards.cim.problems import Problem
from tests.broker.hearer import hearing
from tests.broker.scene import drive, running, subscription

WORLD = "93.184.215.14"
NEVER = (
    *("169.254.169.254", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "0.0.0.0", "::"),
    *("224.0.0.1", "255.255.255.255", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    "2002:a9fe:a9fe::1",
)
PRIVATE = ("127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "fd12::1", "::ffff:10.1.2.3")


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_link_local_addresses_are_never_told(address: str) -> None:
    everything = Reach(private=True, named=(address.partition("%")[0], "0.0.0.0/0"))
    assert everything.refusal("host", 80, address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_told_unless_the_operator_names_which(address: str) -> None:
    assert not EVERYWHERE.refusal("host", 80, address)
    assert "--notify-to host" in reach_of(["other"]).refusal("host", 80, address)
    assert not reach_of(["host"]).refusal("host", 80, address)
    assert not reach_of(["host:80"]).refusal("host", 80, address)
    assert reach_of(["host:81"]).refusal("host", 80, address)


def test_a_network_may_be_named(tmp_path: Path) -> None:
    reach = reach_of(["10.1.0.0/16"])
    assert not reach.refusal("host", 80, "10.1.2.3")
    assert reach.refusal("host", 80, "10.2.2.3")
    with pytest.raises(ConfigError, match="host bits"):
        reach_of(["10.1.0.1/16"])


def test_the_world_may_be_told() -> None:
    assert not reach_of(["other"]).refusal("host", 80, WORLD)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0"])
def test_who_asks_to_be_told_at_such_an_address_is_refused(tmp_path: Path, host: str) -> None:
    async def scene() -> None:
        async with running(tmp_path) as broker:
            body = subscription(f"http://{host}/latest/meta-data")
            with pytest.raises(Problem, match="nothing is ever sent to"):
                await broker.subscriptions.create(body, CORE_TERMS)

    drive(scene())


def test_a_name_that_leads_to_a_private_address_is_told_why_when_it_fails(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path, reach_of(["other"])) as broker:
            # An address in a form that only the system's resolver reads.
            body = subscription(hearer.url.replace("127.0.0.1", "2130706433"))
            id_ = await broker.subscriptions.create(body, CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            said = await broker.until_told(id_, "lastError")
            assert "2130706433 (127.0.0.1) is an address of a private network" in said
            assert not hearer.heard

    drive(scene())


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            hearer.answers = [307]
            await broker.write("urn:lamp:1", 1)
            assert await broker.until_told(id_, "lastError") == "the answer was 307"
            assert not hearer.heard

    drive(scene())
