"""Asks over a channel and takes answers apart."""

from dataclasses import dataclass
from datetime import UTC
from typing import Any

import grpc.aio
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc


@dataclass(frozen=True)
class Asked:
    """One answer, taken apart."""

    events: list[ask_service_pb2.AskResponse]

    @property
    def kinds(self) -> list[str]:
        """The names of the events."""
        return [str(event.WhichOneof("event")) for event in self.events]

    @property
    def text(self) -> str:
        """The answer, without what was replaced."""
        return "".join(event.text.text for event in self._valid if event.WhichOneof("event") == "text")

    @property
    def bindings(self) -> list[ask_service_pb2.Binding]:
        """What of the answer stands on which cell."""
        return [binding for event in self._valid for binding in event.text.bindings]

    @property
    def _valid(self) -> list[ask_service_pb2.AskResponse]:
        """The events after the last `replaced`."""
        marks = [index for index, event in enumerate(self.events) if event.WhichOneof("event") == "replaced"]
        return self.events[marks[-1] + 1 :] if marks else self.events

    @property
    def plan(self) -> Any:
        """The first plan."""
        return next(event.plan.plan for event in self.events if event.WhichOneof("event") == "plan")

    @property
    def result(self) -> ask_service_pb2.Result:
        """The first result."""
        return next(event.result for event in self.events if event.WhichOneof("event") == "result")

    @property
    def results(self) -> list[ask_service_pb2.Result]:
        """All results."""
        return [event.result for event in self.events if event.WhichOneof("event") == "result"]

    def cell_of(self, binding: ask_service_pb2.Binding) -> Any:
        """Returns the value that a binding stands on."""
        result = next(result for result in self.results if result.index == binding.result)
        return value_of(result.rows[binding.row].cells[binding.column])

    @property
    def finished(self) -> ask_service_pb2.Finished:
        """The last event."""
        return self.events[-1].finished

    @property
    def decline(self) -> str:
        """Why there is no answer."""
        return ask_service_pb2.Decline.Name(self.finished.decline).removeprefix("DECLINE_")

    @property
    def cells(self) -> list[list[Any]]:
        """The rows of the first result."""
        return [[value_of(cell) for cell in row.cells] for row in self.result.rows]


def value_of(cell: ask_service_pb2.Cell) -> Any:
    """Returns what a cell holds."""
    kind = cell.WhichOneof("value")
    if kind is None:
        return None
    if kind == "time":
        return cell.time.ToDatetime(UTC).isoformat().replace("+00:00", "Z")
    return getattr(cell, kind)


class Asker:
    """Asks over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = ask_service_pb2_grpc.AskServiceStub(channel)

    async def __call__(self, question: str, contract: str = "", time_zone: str = "") -> Asked:
        """Returns the whole answer."""
        request = ask_service_pb2.AskRequest(question=question, contract=contract, time_zone=time_zone)
        return Asked([event async for event in self.stub.Ask(request)])
