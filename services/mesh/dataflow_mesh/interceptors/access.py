"""Who may call what: the roles stand in the protos, next to each RPC."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from dataflow.access.v1 import role_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from dataflow_mesh.access import NOBODY, Caller, Tokens, allows, role_name, set_current_caller
from dataflow_mesh.errors import RoleMissingError, TokenInvalidError
from dataflow_mesh.interceptors.call import Call

Roles = tuple[role_pb2.Role.ValueType, ...]

OPEN_METHODS = frozenset(
    {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.health.v1.Health/List",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    }
)
"""What anybody may call without a role in a proto of ours."""

_SCHEME = "bearer "


def required_roles(services: Iterable[ServiceDescriptor]) -> dict[str, Roles]:
    """Returns the roles that each method names, by "/package.Service/Method".

    Raises:
        ValueError: A method names none: it would be open or closed by accident.
    """
    found: dict[str, Roles] = {}
    for service in services:
        for method in service.methods:
            roles = tuple(method.GetOptions().Extensions[role_pb2.required_roles])
            if not roles or role_pb2.ROLE_UNSPECIFIED in roles:
                raise ValueError(f"{method.full_name} names no required_roles")
            found[f"/{service.full_name}/{method.name}"] = roles
    return found


class AccessStep:
    """Finds out who calls and refuses those who may not.

    Args:
        tokens: The tokens that are accepted.
        roles: The roles of each method; a method that is neither here nor open is refused to all but ADMIN and SERVICE.
    """

    def __init__(self, tokens: Tokens, roles: Mapping[str, Roles]) -> None:
        self._tokens = tokens
        self._roles = roles

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Sets the caller, or raises before the servicer is called."""
        if call.method not in OPEN_METHODS:
            required = self._roles.get(call.method, ())
            call.caller = self._caller(call, required)
            if not allows(call.caller.role, required):
                raise RoleMissingError(
                    f"{call.caller.name!r} is {call.caller.role_name}; this needs {_names(required) or 'ADMIN'}",
                    metadata={
                        "method": call.method.removeprefix("/"),
                        "role": call.caller.role_name,
                        "required_roles": _names(required),
                    },
                )
        set_current_caller(call.caller)
        yield

    def check(self, request: Message) -> None:
        """Roles do not depend on requests."""

    def _caller(self, call: Call, required: Roles) -> Caller:
        given = call.metadata("authorization")
        if given is None:
            if role_pb2.ROLE_PUBLIC in required:
                return NOBODY
            raise TokenInvalidError
        token = given[len(_SCHEME) :].strip() if given.lower().startswith(_SCHEME) else ""
        caller = self._tokens.caller_of(token) if token else None
        if caller is None:
            raise TokenInvalidError
        return caller


def _names(roles: Roles) -> str:
    return ",".join(role_name(role) for role in roles)
