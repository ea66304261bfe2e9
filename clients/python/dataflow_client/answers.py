"""The events of an answer, put together: text, evidence, and what the server said about it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from dataflow.insight.v1 import ask_service_pb2, plan_pb2
from google.protobuf.descriptor import EnumDescriptor

CellValue: TypeAlias = str | int | float | bool | datetime | None
"""What a cell of a result holds; times are in UTC, None is a null."""


@dataclass(slots=True)
class Evidence:
    """One query behind an answer."""

    index: int
    """Its number in the answer; what `Binding.result` names."""
    plan: plan_pb2.QueryPlan
    """What was computed."""
    result: ask_service_pb2.Result | None = None
    """What the database returned; None while it computes."""

    @property
    def columns(self) -> list[str]:
        """Names of the result's columns."""
        return list(self.result.columns) if self.result is not None else []

    @property
    def rows(self) -> list[list[CellValue]]:
        """The result's rows."""
        return [[cell_value(cell) for cell in row.cells] for row in self.result.rows] if self.result is not None else []

    @property
    def truncated(self) -> bool:
        """Whether the row limit cut the result."""
        return self.result is not None and self.result.truncated


@dataclass(slots=True)
class Answer:
    """An answer as far as it came.

    Give it each event in order::

        answer = Answer("How many readings are there?")
        for event in client.ask(answer.question):
            print(answer.take(event), end="")
    """

    question: str
    """As it was asked."""
    ask_id: str = ""
    """Names the answer in insight's log."""
    engine: str = ""
    """Which engine answered; until the end, which one is to."""
    conversation_id: str = ""
    """The conversation that the question belongs to; empty for none."""
    text: str = ""
    """The valid text."""
    bindings: list[ask_service_pb2.Binding] = field(default_factory=list)
    """Which piece of the text stands on which cell."""
    evidence: list[Evidence] = field(default_factory=list)
    """The queries behind it, in order."""
    replaced: list[str] = field(default_factory=list)
    """Why what came before was void, each time that it was."""
    finished: ask_service_pb2.Finished | None = None
    """The end; None until it came."""

    def take(self, event: ask_service_pb2.AskResponse) -> str:
        """Takes an event; returns the piece of text in it, empty where it has none.

        After `replaced` all text so far is void: whoever has shown some says so, or takes it back.
        """
        match event.WhichOneof("event"):
            case "started":
                self.ask_id, self.engine = event.started.ask_id, event.started.engine
                self.conversation_id = event.started.conversation_id
            case "plan":
                self.evidence.append(Evidence(event.plan.index, event.plan.plan))
            case "result":
                self._at(event.result.index).result = event.result
            case "text":
                self.text += event.text.text
                self.bindings.extend(event.text.bindings)
                return event.text.text
            case "replaced":
                self.text = ""
                self.bindings.clear()
                self.evidence.clear()
                self.replaced.append(event.replaced.reason)
            case "finished":
                self.finished, self.engine = event.finished, event.finished.engine or self.engine
        return ""

    def _at(self, index: int) -> Evidence:
        """Returns the query of a number; a result without a plan before it is from a server that is newer than we are."""
        for item in self.evidence:
            if item.index == index:
                return item
        self.evidence.append(Evidence(index, plan_pb2.QueryPlan()))
        return self.evidence[-1]

    @property
    def decline(self) -> str:
        """Why there is no answer, such as "UNKNOWN_DEVICE"; empty where there is one."""
        return _word(ask_service_pb2.Decline.DESCRIPTOR, self._finished.decline, "DECLINE_")

    @property
    def fallback(self) -> str:
        """Why another engine answered than the one that was to, such as "RATE_LIMITED"; empty where that one did."""
        return _word(ask_service_pb2.Fallback.DESCRIPTOR, self._finished.fallback, "FALLBACK_")

    @property
    def verified(self) -> bool:
        """Whether every number, name and time of the text stands on a cell; False until the end."""
        return self._finished.verified

    @property
    def kept(self) -> bool:
        """Whether question and answer were added to the conversation."""
        return self._finished.kept

    @property
    def seconds(self) -> float | None:
        """How long it took; None until the end."""
        return None if self.finished is None else self.finished.duration.ToTimedelta().total_seconds()

    @property
    def assumptions(self) -> list[str]:
        """What words of the question were taken for, each once."""
        return list(dict.fromkeys(text for item in self.evidence for text in item.plan.assumptions))

    @property
    def _finished(self) -> ask_service_pb2.Finished:
        return self.finished if self.finished is not None else ask_service_pb2.Finished()

    def value_of(self, binding: ask_service_pb2.Binding) -> CellValue:
        """Returns the cell that a piece of the text stands on.

        Raises:
            LookupError: The answer has no such cell.
        """
        for item in self.evidence:
            if item.index == binding.result:
                return item.rows[binding.row][binding.column]
        raise LookupError(f"the answer has no result {binding.result}")


def cell_value(cell: ask_service_pb2.Cell) -> CellValue:
    """Returns what a cell holds."""
    kind = cell.WhichOneof("value")
    if kind is None:
        return None
    if kind == "time":
        return cell.time.ToDatetime(UTC)
    found: CellValue = getattr(cell, kind)
    return found


def _word(enumeration: EnumDescriptor, value: int, prefix: str) -> str:
    """Returns an enum value without its prefix; empty where unset, the number where a newer server sent it."""
    if not value:
        return ""
    descriptor = enumeration.values_by_number.get(value)
    return str(value) if descriptor is None else descriptor.name.removeprefix(prefix)
