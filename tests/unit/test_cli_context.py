"""Where a command connects, with which token, and with which code it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import contract_pb2, contract_service_pb2
from dataflow_cli.context import Access, NotReachableError, connection_options, data_dir_option
from dataflow_cli.root import Root, dataflow
from dataflow_cli.status_file import read_status
from dataflow_client.testing import Failure, Script, serving


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATA_DIR", "BRIDGE", "VALIDATOR", "INSIGHT", "TOKEN", "TOKEN_FILE", "TLS_CA", "INSECURE"):
        monkeypatch.delenv(f"DATAFLOW_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(dataflow, list(arguments))


@click.command()
@data_dir_option
def where(data_dir: Path) -> None:
    click.echo(data_dir)


@click.command()
@connection_options
def access(access: Access) -> None:
    click.echo(json.dumps([access.target("bridge"), access.token(), *access.mqtt(), access.postgres()]))


@pytest.fixture
def probe() -> Callable[..., Result]:
    """A command of another package, below the real root's class."""

    @click.group(cls=Root, points={})
    @data_dir_option
    def root(data_dir: Path) -> None: ...

    root.add_command(where)
    root.add_command(access)
    return lambda *arguments, **environment: CliRunner().invoke(root, list(arguments), env=environment)


def write_status(directory: Path, **more: object) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "admin.json").write_text('{"tokens": [{"token": "filed", "name": "admin", "role": "ADMIN"}]}')
    document = {
        "mqtt": "127.0.0.1:1883",
        "grpc": {"bridge": "127.0.0.1:1", "validator": "127.0.0.1:1", "insight": "127.0.0.1:1"},
        "postgres": "postgresql://x",
        "redis": ["redis://127.0.0.1:2"],
        "token_file": "admin.json",
        **more,
    }
    (directory / "status.json").write_text(json.dumps(document))


def test_data_dir_comes_from_flag_then_root_then_environment_then_default(probe: Callable[..., Result]) -> None:
    """The nearest flag wins; without any it is ./data."""
    assert probe("--data-dir", "r", "where", "--data-dir", "l", DATAFLOW_DATA_DIR="e").output == "l\n"
    assert probe("--data-dir", "r", "where", DATAFLOW_DATA_DIR="e").output == "r\n"
    assert probe("where", DATAFLOW_DATA_DIR="e").output == "e\n"
    assert probe("where").output == "data\n"


def test_status_file_names_addresses_and_token(probe: Callable[..., Result], tmp_path: Path) -> None:
    """A command needs nothing but the data directory."""
    write_status(tmp_path / "d")
    result = probe("access", "--data-dir", "d")
    assert json.loads(result.output) == ["127.0.0.1:1", "filed", "127.0.0.1", 1883, "postgresql://x"]


def test_flags_win_over_environment_and_status_file(probe: Callable[..., Result], tmp_path: Path) -> None:
    """Another place or token is one flag away."""
    write_status(tmp_path / "data")
    environment = {"DATAFLOW_BRIDGE": "env:1", "DATAFLOW_TOKEN": "env"}
    assert json.loads(probe("access", **environment).output)[:2] == ["env:1", "env"]
    flagged = probe("access", "--bridge", "flag:1", "--token", "flag", **environment)
    assert json.loads(flagged.output)[:2] == ["flag:1", "flag"]


def test_token_file_flag_wins_over_the_stacks(probe: Callable[..., Result], tmp_path: Path) -> None:
    """Somebody with another role brings a file of their own."""
    write_status(tmp_path / "data")
    (tmp_path / "mine").write_text("mine\n")
    assert json.loads(probe("access", "--token-file", "mine").output)[1] == "mine"


def test_nothing_running_is_not_reachable_and_names_the_way_out() -> None:
    """Exit code 3, the directory, and the command that starts it."""
    result = run("contract", "list", "--data-dir", "nowhere")
    assert result.exit_code == 3
    assert "'nowhere'" in result.stderr
    assert "dataflow up --data-dir nowhere" in result.stderr


def test_stopped_service_is_not_reachable(tmp_path: Path) -> None:
    """A status file of a stack that died is exit code 3 too, with the address that was tried."""
    with serving(Script()) as target:
        pass
    write_status(tmp_path / "data", grpc={"validator": target})
    result = run("contract", "list")
    assert result.exit_code == 3
    assert target in result.stderr
    assert "dataflow up" in result.stderr


@pytest.mark.parametrize("content", ["{", "[]"])
def test_broken_status_file_is_named(tmp_path: Path, content: str) -> None:
    """A half-written or foreign file is exit code 3 with its path."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "status.json").write_text(content)
    result = run("contract", "list")
    assert result.exit_code == 3
    assert "status.json" in result.stderr


def test_service_missing_in_the_status_file_is_named(tmp_path: Path) -> None:
    """A stack without insight says so instead of dialling nothing."""
    write_status(tmp_path / "data", grpc={"bridge": "127.0.0.1:1"})
    result = run("ask", "how many?")
    assert result.exit_code == 3
    assert "insight" in result.stderr


def test_unreadable_token_file_is_denied(tmp_path: Path) -> None:
    """Exit code 4 and the file's name: run it as the user who started the stack."""
    write_status(tmp_path / "data", token_file="gone.json")
    result = run("contract", "list")
    assert result.exit_code == 4
    assert "gone.json" in result.stderr


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (Failure(grpc.StatusCode.UNAUTHENTICATED, "who?", "TOKEN_INVALID"), 4, "--token-file"),
        (
            Failure(
                grpc.StatusCode.PERMISSION_DENIED, "no", "ROLE_MISSING", {"role": "VIEWER", "requiredRoles": "ADMIN"}
            ),
            4,
            "role is VIEWER, one of ADMIN is needed",
        ),
        (Failure(grpc.StatusCode.UNAVAILABLE, "away", "POSTGRES_UNAVAILABLE"), 3, "dataflow status"),
        (Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "late", "DEADLINE_EXCEEDED"), 3, "no answer in time"),
        (Failure(grpc.StatusCode.NOT_FOUND, "no contract 'c'", "CONTRACT_NOT_FOUND"), 1, "CONTRACT_NOT_FOUND"),
        (Failure(grpc.StatusCode.INTERNAL, "defect", "INTERNAL", {"requestId": "r7"}), 1, "defect"),
    ],
)
def test_errors_of_a_service_become_exit_codes(failure: Failure, code: int, words: str) -> None:
    """Denied, not reachable and failed are told apart for scripts, and explained for people."""
    script = Script()
    script.on("GetContract", failure)
    with serving(script) as target:
        result = run("contract", "get", "c", "--validator", target)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_wrong_usage_exits_with_two() -> None:
    """Click's own code is the documented one."""
    assert run("contract", "get").exit_code == 2
    assert run("no-such-command").exit_code == 2


def test_plaintext_beyond_the_machine_is_a_usage_error() -> None:
    """The token is not sent where it could be read, unless asked for."""
    result = run("contract", "get", "c", "--validator", "10.0.0.1:1", "--token", "t")
    assert result.exit_code == 2
    assert "plaintext" in result.stderr


def test_a_command_needs_no_data_directory_when_flags_name_all() -> None:
    """From another machine, addresses and a token are enough."""
    script = Script()
    response = contract_service_pb2.GetContractResponse(contract=contract_pb2.Contract(name="c"))
    script.on("GetContract", response)
    with serving(script) as target:
        assert run("contract", "get", "c", "--validator", target, "--token", "t").exit_code == 0
    assert script.calls["GetContract"][0].metadata["authorization"] == "Bearer t"


def test_status_file_may_also_have_dotted_keys(tmp_path: Path) -> None:
    """`grpc.bridge` is read as a member of `grpc` and as a key of that name."""
    (tmp_path / "status.json").write_text('{"grpc.bridge": "127.0.0.1:9"}')
    status = read_status(tmp_path)
    assert status is not None
    assert status.bridge == "127.0.0.1:9"


def test_every_command_takes_a_data_dir() -> None:
    """The frozen option is on each leaf of the tree that this package brings."""

    def leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
        if not isinstance(command, click.Group):
            return [(path, command)]
        context = click.Context(command)
        names = command.list_commands(context)
        found = [(name, command.get_command(context, name)) for name in names]
        return [leaf for name, inner in found if inner is not None for leaf in leaves(inner, (*path, name))]

    own = {"ask", "contract", "publish", "quarantine", "readings", "ring", "route"}
    mine = [(path, leaf) for path, leaf in leaves(dataflow, ()) if path[0] in own]
    assert len(mine) >= 16
    for path, leaf in mine:
        assert any("--data-dir" in parameter.opts for parameter in leaf.params), path
        assert any("--json" in parameter.opts for parameter in leaf.params), path


def test_errors_of_other_packages_keep_their_code() -> None:
    """The stack's own commands end with the same codes."""
    assert (NotReachableError("x").exit_code, click.UsageError("x").exit_code) == (3, 2)
