"""Targets as people write them, and what gRPC is given."""

import json

import pytest
from dataflow_client import Connection, Targets
from dataflow_client.channels import _options, open_channels
from dataflow_client.targets import channel_target, has_many, is_loopback

_NAMES = {"one": ["10.0.0.1"], "both": ["10.0.0.2", "fd00::2"], "six": ["fd00::3"], "twice": ["10.0.0.4", "10.0.0.4"]}


def known(host: str, port: int) -> list[str]:
    assert port == 50051
    return _NAMES.get(host, [])


@pytest.mark.parametrize(
    ("target", "given"),
    [
        ("host:50051", "host:50051"),
        ("dns:///host:50051", "dns:///host:50051"),
        ("xds:///bridges", "xds:///bridges"),
        ("unix:/run/a,b.sock", "unix:/run/a,b.sock"),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv4:10.0.0.1:1,10.0.0.2:1"),
        ("10.0.0.1:50051,10.0.0.2:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
        ("one:50051, both:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
        ("[fd00::1]:50051,six:50051", "ipv6:[fd00::1]:50051,[fd00::3]:50051"),
        ("twice:50051,nobody:50051", "ipv4:10.0.0.4:50051"),
    ],
)
def test_a_target_becomes_what_grpc_takes(target: str, given: str) -> None:
    """A list becomes addresses, everything else stays."""
    assert channel_target(target, known) == given


@pytest.mark.parametrize(
    "target",
    ["one:50051,", "a,b", "one:50051,b:x", "one:50051,[fd00::1]:50051", "nobody:50051,none:50051", "one:0,one:1"],
)
def test_a_list_that_leads_nowhere_is_refused(target: str) -> None:
    """With the entry that is wrong."""
    with pytest.raises(ValueError, match=r"is not host:port|mixes|has an address"):
        channel_target(target, known)


def test_a_list_is_on_this_machine_only_if_all_of_it_is() -> None:
    """One entry beyond it is enough for the token to be read on the way."""
    assert is_loopback("127.0.0.1:1,localhost:2,[::1]:3")
    assert not is_loopback("127.0.0.1:1,10.0.0.1:2")
    with pytest.raises(ValueError, match="plaintext"):
        open_channels(Connection(Targets(bridge="127.0.0.1:1,10.0.0.1:2")))


@pytest.mark.parametrize(("target", "many"), [("a:1", False), ("a:1,b:1", True), ("dns:///a:1", True)])
def test_health_decides_only_among_several(target: str, many: bool) -> None:
    """A single server is asked whatever its health says: its own error says more."""
    assert has_many(target) is many
    config = json.loads(str(dict(_options(Connection(), target, "a.Service"))["grpc.service_config"]))
    assert ("healthCheckConfig" in config) is many
