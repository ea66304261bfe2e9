"""The tools that the model may call. The plan's schema is read from `plan.proto`'s descriptor, so that it cannot drift."""

from functools import cache
from typing import Any, Final

from dataflow.insight.v1 import plan_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor, FieldDescriptor

from dataflow_insight.engines.gemini.messages import Tool
from dataflow_insight.engines.gemini.words import DECLINES, WORDS

COMPUTE: Final = "compute_plan"
"""The tool that runs a plan."""

DECLINE: Final = "decline"
"""The tool that ends the answer without one."""

OURS: Final = frozenset({"QueryPlan.time_zone", "QueryPlan.unit", "QueryPlan.assumptions"})
"""Fields that the model does not fill in: the asker's zone is known, and the others are free text that is shown."""

_SCALARS: Final[dict[int, dict[str, Any]]] = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
}
_WELL_KNOWN: Final[dict[str, dict[str, Any]]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^\d+(\.\d+)?s$"},
}
_DECLINE_TEXT_CHARACTERS: Final = 300


@cache
def tools() -> tuple[Tool, ...]:
    """Returns the tools, always the same ones and in the same order: providers cache what does not change."""
    return (
        Tool(
            COMPUTE,
            "Computes one plan over the stored readings and returns the number of the result and its table. Call it once"
            " for each result that the answer needs, several times in one turn where the plans do not depend on each other.",
            message_schema(plan_pb2.QueryPlan.DESCRIPTOR),
        ),
        Tool(
            DECLINE,
            "Ends the answer: the readings cannot answer the question, or it is not clear what is asked.",
            {
                "type": "object",
                "properties": {
                    "reason": {
                        "type": "string",
                        "enum": [reason.name for reason in DECLINES],
                        "description": " ".join(f"{reason.name}: {words}" for reason, words in DECLINES.items()),
                    },
                    "text": {
                        "type": "string",
                        "maxLength": _DECLINE_TEXT_CHARACTERS,
                        "description": "One or two plain sentences for the asker, without any number.",
                    },
                },
                "required": ["reason", "text"],
                "additionalProperties": False,
            },
        ),
    )


def message_schema(descriptor: Descriptor) -> dict[str, Any]:
    """Returns the JSON Schema of a message in proto JSON, with the proto's names, strict, without references."""
    fields = [field for field in descriptor.fields if short_name(field) not in OURS]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _field_schema(field) for field in fields},
        "additionalProperties": False,
    }
    if descriptor.full_name == plan_pb2.QueryPlan.DESCRIPTOR.full_name:
        schema["required"] = ["contract", "measure"]
    return schema


def short_name(item: FieldDescriptor | EnumValueDescriptor) -> str:
    """Returns a field's or value's name with that of its message or enumeration, as `WORDS` has it."""
    owner = item.type if isinstance(item, EnumValueDescriptor) else item.containing_type
    assert owner is not None, "neither extensions nor loose values are in a plan"
    return f"{owner.name}.{item.name}"


def _field_schema(field: FieldDescriptor) -> dict[str, Any]:
    schema = _value_schema(field)
    words = WORDS[short_name(field)]
    # The values are explained once, where the plan itself has them; elsewhere they are the same.
    if field.enum_type is not None and short_name(field).startswith("QueryPlan."):
        values = [value for value in field.enum_type.values if value.number]
        words = f"{words} {' '.join(f'{value.name}: {WORDS[short_name(value)]}' for value in values)}"
    if field.is_repeated:
        return {"type": "array", "items": schema, "description": words}
    return {**schema, "description": words}


def _value_schema(field: FieldDescriptor) -> dict[str, Any]:
    if field.enum_type is not None:
        return _enum_schema(field.enum_type)
    if field.message_type is not None:
        known = _WELL_KNOWN.get(field.message_type.full_name)
        return dict(known) if known is not None else message_schema(field.message_type)
    return dict(_SCALARS[field.cpp_type])


def _enum_schema(descriptor: EnumDescriptor) -> dict[str, Any]:
    return {"type": "string", "enum": [value.name for value in descriptor.values if value.number]}
