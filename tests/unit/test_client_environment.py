"""Where a client connects to, with which token, and what it refuses to send in plaintext."""

import json
from pathlib import Path

import pytest
from dataflow_client import Client, Connection, Targets, errors, read_token
from dataflow_client.environment import connection_from
from dataflow_client.targets import is_loopback


def test_connection_is_read_from_the_environment(tmp_path: Path) -> None:
    """Targets, token file and TLS files have one variable each."""
    token_file = tmp_path / "token"
    token_file.write_text("secret\n")
    connection = connection_from(
        {
            "DATAFLOW_BRIDGE": "b:1",
            "DATAFLOW_VALIDATOR": "v:2",
            "DATAFLOW_INSIGHT": "i:3",
            "DATAFLOW_TOKEN_FILE": str(token_file),
            "DATAFLOW_TLS_CA": "/ca.pem",
        }
    )
    assert connection.targets == Targets("b:1", "v:2", "i:3")
    assert connection.token == "secret"
    assert connection.tls is not None
    assert connection.tls.ca_file == Path("/ca.pem")


def test_token_wins_over_token_file() -> None:
    """The file is not even read."""
    assert connection_from({"DATAFLOW_TOKEN": "t", "DATAFLOW_TOKEN_FILE": "/nowhere"}).token == "t"


def test_token_is_never_shown() -> None:
    """A connection in a log or traceback gives nothing away."""
    assert "t0p" not in repr(Connection(token="t0p"))


def test_token_that_no_header_can_carry_is_refused_without_repeating_it() -> None:
    """A wrong file taken for a token is named as such, and its content stays secret."""
    with pytest.raises(ValueError, match="no header can carry") as caught:
        Client(Connection(token="line\nline"))
    assert "line\nline" not in str(caught.value)


def test_token_file_of_the_stack_gives_the_admins_token(tmp_path: Path) -> None:
    """Of several tokens the strongest role of a person is taken."""
    path = tmp_path / "tokens.json"
    entries = [{"token": role, "name": role, "role": role} for role in ("SERVICE", "VIEWER", "ADMIN")]
    path.write_text(json.dumps({"tokens": entries}))
    assert read_token(path) == "ADMIN"


@pytest.mark.parametrize("content", ["", "two words", "{}", '{"tokens": []}', '{"tokens": [1]}', "{"])
def test_file_without_a_token_is_named(tmp_path: Path, content: str) -> None:
    """The error says which file is wrong."""
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(ValueError, match="token' holds no token"):
        read_token(path)


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:1",
        "127.8.8.8:1",
        "localhost:1",
        "[::1]:1",
        "dns:///localhost:1",
        "ipv4:127.0.0.1:1,127.0.0.2:1",
        "ipv6:[::1]:1",
        "unix:/tmp/x",
        "unix:///tmp/x",
        "dns://8.8.8.8/localhost:1",
    ],
)
def test_loopback_targets_are_known(target: str) -> None:
    """What stays on this machine may be plaintext."""
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "bridge:1",
        "10.0.0.1:1",
        "dns:///bridge:1",
        "xds:///bridge",
        "ipv4:127.0.0.1:1,10.0.0.1:1",
        "[2001:db8::1]:1",
        "localhost.example.org:1",
        "127.0.0.1.example.org:1",
        "0.0.0.0:1",
    ],
)
def test_other_targets_are_refused_in_plaintext(target: str) -> None:
    """No token leaves the machine unencrypted unless asked for."""
    with pytest.raises(ValueError, match="plaintext"):
        Client(Connection(Targets(bridge=target)))


def test_plaintext_beyond_loopback_can_be_asked_for() -> None:
    """One setting says so in so many words."""
    Client(Connection(Targets(bridge="10.0.0.1:1"), insecure=True)).close()


def test_certificate_needs_its_key() -> None:
    """Half of mutual TLS is an error at once."""
    with pytest.raises(ValueError, match="key_file"):
        connection_from({"DATAFLOW_TLS_CERTIFICATE": "/c.pem"})


def test_service_without_a_target_names_the_setting() -> None:
    """A forgotten variable is named, not a strange address."""
    with Client.from_env({}) as client, pytest.raises(errors.UnavailableError, match="DATAFLOW_VALIDATOR"):
        client.contracts.get("c")
