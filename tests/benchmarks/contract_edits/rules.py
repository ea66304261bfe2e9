"""What each revision of the trial's contract says, and what each message is: both follow from a number, so anyone can judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dataflow.validator.v1 import contract_pb2
from google.protobuf import struct_pb2

CONTRACT: Final = "edited"
TOPIC: Final = "edited/data"
MODES: Final = 7
MAX_ADDED: Final = 40
"""Optional fields that revisions add one by one; message n has the one of n modulo this, whether a field names it or not."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a revision says.

    Attributes:
        revision: Its number.
        highest: Largest `value` that it takes.
        excluded: The mode that it does not take.
        added: How many of the optional fields it has.
    """

    revision: int
    highest: int
    excluded: int
    added: int


def rules_of(revision: int, field_every: int) -> Rules:
    """Says what a revision says: another bound and another mode than the one before, now and then a field more."""
    return Rules(revision, 50 + revision * 37 % 50, revision % MODES, min(MAX_ADDED, (revision - 1) // field_every))


def spec_of(rules: Rules) -> contract_pb2.ContractSpec:
    """Writes the rules of a revision as a contract has them."""
    modes = [struct_pb2.Value(string_value=f"m{mode}") for mode in range(MODES) if mode != rules.excluded]
    return contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="device_id", type=contract_pb2.FIELD_TYPE_STRING),
            contract_pb2.Field(name="ts", type=contract_pb2.FIELD_TYPE_TIMESTAMP),
            contract_pb2.Field(name="n", type=contract_pb2.FIELD_TYPE_INTEGER),
            contract_pb2.Field(name="value", type=contract_pb2.FIELD_TYPE_INTEGER, max=rules.highest),
            contract_pb2.Field(name="mode", type=contract_pb2.FIELD_TYPE_STRING, enum=modes),
            *(
                contract_pb2.Field(name=f"x{place}", type=contract_pb2.FIELD_TYPE_INTEGER, required=False)
                for place in range(rules.added)
            ),
        ],
        identity=["n"],
        event_time_field="ts",
    )


def payload_of(number: int, moment: str) -> bytes:
    """Writes message `number`, taken at a moment in RFC 3339."""
    return (
        f'{{"device_id":"d{number % 500}","ts":"{moment}","n":{number},"value":{number % 100},'
        f'"mode":"m{number % MODES}","x{number % MAX_ADDED}":{number}}}'
    ).encode()
