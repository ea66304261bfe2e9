"""The contracts that DataFlow brings along, made at the first start."""

import contextlib
from typing import Final

from dataflow_mesh.postgres import Connection

from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType, UnknownFields
from dataflow_validator.errors import ContractExistsError, RouteConflictError
from dataflow_validator.readings.known_columns import note_missing

DEVICE_CONNECTION_TOPIC: Final = "$dataflow/device_connection"
"""Where bridges send what happens to the connections of devices; no device may publish below "$"."""

DEVICE_CONNECTION: Final = ContractSpec(
    name="device_connection",
    fields=(
        FieldSpec("device_id", FieldType.STRING, description="The device that connected, as it was authenticated."),
        FieldSpec("client_id", FieldType.STRING, required=False, nullable=True, description="Its MQTT client id."),
        FieldSpec("event", FieldType.STRING, description="What happened: connected, disconnected, refused and so on."),
        FieldSpec("reason", FieldType.STRING, required=False, nullable=True, description="Why it happened."),
        FieldSpec("protocol", FieldType.STRING, required=False, nullable=True, description="Such as mqtt311 or mqtt5."),
        FieldSpec(
            "peer", FieldType.STRING, required=False, nullable=True, description="Address and port of the device."
        ),
        FieldSpec("ts", FieldType.TIMESTAMP, description="When it happened, by the bridge's clock."),
    ),
    event_time="ts",
    unknown=UnknownFields.KEEP,
    description="Connections of devices to the bridges' listeners.",
)


async def ensure_builtin(connection: Connection) -> None:
    """Makes the built-in contracts and their routes where they are missing, and notes what older versions have not.

    Several validators may start at once. A route that an operator made for the same topic stays.

    Args:
        connection: Not in a transaction.
    """
    await note_missing(connection)
    for spec, topic in ((DEVICE_CONNECTION, DEVICE_CONNECTION_TOPIC),):
        # Together, so that a crash in between leaves no contract without its route.
        async with connection.transaction():
            with contextlib.suppress(ContractExistsError, RouteConflictError):
                await create_contract(connection, spec, activate=True, builtin=True)
                await create_route(connection, topic, spec.name)
