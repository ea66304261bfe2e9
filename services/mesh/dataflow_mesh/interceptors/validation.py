"""Checks every message of every request against the rules on its fields (protovalidate)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import protovalidate
from google.protobuf.message import Message

from dataflow_mesh.errors import InvalidRequestError
from dataflow_mesh.interceptors.call import Call


class ValidationStep:
    """Refuses requests whose fields break their rules, with all of them in one answer."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:  # noqa: ARG002 - the protocol's
        """Rules do not depend on the call."""
        yield

    def check(self, request: Message) -> None:
        """Raises InvalidRequestError with a violation for each broken rule."""
        found = self._validator.collect_violations(request)
        if found:
            violations = [(_path(violation), str(violation.proto.message)) for violation in found]
            named = "; ".join(f"{field}: {text}" if field else text for field, text in violations[:3])
            more = f" (and {len(violations) - 3} more)" if len(violations) > 3 else ""
            raise InvalidRequestError(f"{named}{more}", violations=violations)


def _path(violation: protovalidate.Violation) -> str:
    """Returns the field as `messages[0].topic`, or as `fields["name"]` in a map."""
    path = ""
    field = violation.proto.field
    for element in field.elements if field is not None else ():
        path += f".{element.field_name}" if path else str(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            value = subscript.value
            path += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
    return path
