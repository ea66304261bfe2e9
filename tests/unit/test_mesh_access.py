"""Tokens, roles, and the rule that every RPC names its roles."""

import importlib
import json
import os
import stat
from pathlib import Path

import dataflow
import pytest
from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Caller, TokenFileError, Tokens, allows, create_token_file, read_token
from dataflow_mesh.interceptors.access import required_roles
from dataflow_mesh.testing.echo import NAME, echo_service
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

ROLES = [role for role in role_pb2.Role.values() if role != role_pb2.ROLE_UNSPECIFIED]


def every_service() -> list[ServiceDescriptor]:
    """Returns all services of all protos of the repository."""
    found: list[ServiceDescriptor] = []
    for root in map(Path, dataflow.__path__):
        for file in root.rglob("*_pb2.py"):
            name = ".".join(("dataflow", *file.relative_to(root).with_suffix("").parts))
            found += importlib.import_module(name).DESCRIPTOR.services_by_name.values()
    return found


def test_every_rpc_names_its_roles() -> None:
    """An RPC without required_roles would be open or closed by accident."""
    services = every_service()
    assert len(services) >= 7
    assert all(required_roles([service]) for service in services)


def test_an_rpc_without_roles_is_refused() -> None:
    """The check above and the server find one."""
    reflection = importlib.import_module("grpc_health.v1.health_pb2").DESCRIPTOR.services_by_name["Health"]
    with pytest.raises(ValueError, match=r"grpc\.health\.v1\.Health\.Check names no required_roles"):
        required_roles([reflection])


def test_roles_are_read_from_the_descriptors() -> None:
    """Method names are those that gRPC uses."""
    echo_service()
    found = required_roles([descriptor_pool.Default().FindServiceByName(NAME)])
    assert found[f"/{NAME}/Unary"] == (role_pb2.ROLE_VIEWER,)


@pytest.mark.parametrize("role", ROLES, ids=role_pb2.Role.Name)
def test_a_role_allows_itself_what_it_includes_and_what_is_public(role: role_pb2.Role.ValueType) -> None:
    """VIEWER < OPERATOR < ADMIN; ADMIN and SERVICE may all; DEVICE stands beside them."""
    includes = {
        role_pb2.ROLE_PUBLIC: {"PUBLIC"},
        role_pb2.ROLE_VIEWER: {"PUBLIC", "VIEWER"},
        role_pb2.ROLE_OPERATOR: {"PUBLIC", "VIEWER", "OPERATOR"},
        role_pb2.ROLE_DEVICE: {"PUBLIC", "DEVICE"},
    }
    every = {role_pb2.Role.Name(wanted).removeprefix("ROLE_") for wanted in ROLES}
    allowed = {name for name in every if allows(role, [role_pb2.Role.Value(f"ROLE_{name}")])}
    assert allowed == includes.get(role, every)


def test_one_of_several_roles_is_enough() -> None:
    """required_roles is a choice."""
    assert allows(role_pb2.ROLE_DEVICE, [role_pb2.ROLE_DEVICE, role_pb2.ROLE_OPERATOR])


def test_a_created_token_file_is_private_and_can_be_loaded(tmp_path: Path) -> None:
    """The first start makes an admin and a service token that only the owner reads."""
    path = tmp_path / "sub" / "tokens.json"
    issued = create_token_file(path)
    tokens = Tokens.load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tokens.caller_of(issued["admin"]) == Caller("admin", role_pb2.ROLE_ADMIN)
    assert tokens.caller_of(issued["service"]) == Caller("service", role_pb2.ROLE_SERVICE)
    assert read_token(path, "admin") == issued["admin"]
    assert [file.name for file in path.parent.iterdir()] == ["tokens.json"]


def test_an_existing_token_file_is_left_alone(tmp_path: Path) -> None:
    """A second start does not change the tokens that people have."""
    path = tmp_path / "tokens.json"
    create_token_file(path)
    before = path.read_text()
    with pytest.raises(FileExistsError):
        create_token_file(path)
    assert path.read_text() == before


def test_an_unknown_token_is_nobody(tmp_path: Path) -> None:
    """Neither a wrong nor an empty nor an undecodable token is somebody's."""
    path = tmp_path / "tokens.json"
    create_token_file(path)
    tokens = Tokens.load(path)
    assert [tokens.caller_of(token) for token in ("", "x", "\udcff")] == [None, None, None]


def test_tokens_are_never_shown(tmp_path: Path) -> None:
    """They are kept as hashes."""
    path = tmp_path / "tokens.json"
    issued = create_token_file(path)
    assert not any(token in repr(vars(Tokens.load(path))) for token in issued.values())


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"tokens": [{"token": "a", "name": "b"}]}', '{"tokens": [{"token": "", "name": "b", "role": "ADMIN"}]}',
     '{"tokens": [{"token": "a", "name": "b", "role": "KING"}]}'],
)  # fmt: skip
def test_a_malformed_token_file_is_refused(tmp_path: Path, content: str) -> None:
    """Nobody starts with half a list."""
    path = tmp_path / "tokens.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(TokenFileError):
        Tokens.load(path)


def test_a_missing_token_file_is_refused(tmp_path: Path) -> None:
    """The problem names the file."""
    with pytest.raises(TokenFileError, match=r"none\.json"):
        Tokens.load(tmp_path / "none.json")


def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """An ordinary user's file must be private."""
    path = tmp_path / "tokens.json"
    create_token_file(path)
    path.chmod(0o644)
    if os.getuid() == 0:
        os.chown(path, 65534, 65534)
    with pytest.raises(TokenFileError, match="chmod 600"):
        Tokens.load(path)


def test_a_changed_token_file_counts_and_a_broken_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens can be added and revoked while running; a half-written file changes nothing."""
    monkeypatch.setattr(Tokens, "_LOOK_EVERY_SECONDS", 0.0)
    path = tmp_path / "tokens.json"
    old = create_token_file(path)["admin"]
    tokens = Tokens.load(path)
    path.write_text("{")
    os.utime(path, ns=(1, 1))
    assert tokens.caller_of(old) is not None
    path.write_text(json.dumps({"tokens": [{"token": "new", "name": "n", "role": "VIEWER"}]}))
    os.utime(path, ns=(2, 2))
    assert tokens.caller_of(old) is None
    assert tokens.caller_of("new") == Caller("n", role_pb2.ROLE_VIEWER)
