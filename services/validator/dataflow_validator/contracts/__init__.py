"""Contracts: what they say, and the pure engine that judges a message by one of them. No I/O, no clock."""

from dataflow_validator.contracts.device import DeviceRule, DeviceSource
from dataflow_validator.contracts.documents import from_fields_document, from_json_schema_document
from dataflow_validator.contracts.errors import ContractError, RouteError
from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.judge import CompiledContract, compile_contract
from dataflow_validator.contracts.names import Column, quote_identifier
from dataflow_validator.contracts.outcome import Accepted, Arrival, RefusalKind, Refused
from dataflow_validator.contracts.reasons import Reason, reasons_to_json
from dataflow_validator.contracts.spec import (
    BinaryEncoding,
    Coercion,
    ConflictRule,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    UnknownFields,
)

__all__ = [
    "Accepted",
    "Arrival",
    "BinaryEncoding",
    "Coercion",
    "Column",
    "CompiledContract",
    "ConflictRule",
    "ContractError",
    "ContractSpec",
    "DeviceRule",
    "DeviceSource",
    "EventTimeFormat",
    "FieldSpec",
    "FieldType",
    "IdKind",
    "Reason",
    "RefusalKind",
    "Refused",
    "RouteError",
    "UnknownFields",
    "compile_contract",
    "from_fields_document",
    "from_json_schema_document",
    "quote_identifier",
    "reasons_to_json",
]
