"""The events of an answer as protos."""

from collections.abc import Sequence

from dataflow.insight.v1 import ask_service_pb2

from dataflow_insight.answers.draft import Bound
from dataflow_insight.plans.messages import plan_to_proto
from dataflow_insight.plans.plan import Plan
from dataflow_insight.queries.table import Table

Event = ask_service_pb2.AskResponse


def started(ask_id: str, engine: str, conversation_id: str) -> Event:
    """Returns that the question was taken."""
    return Event(started=ask_service_pb2.Started(ask_id=ask_id, engine=engine, conversation_id=conversation_id))


def planned(index: int, plan: Plan) -> Event:
    """Returns what will be computed."""
    return Event(plan=ask_service_pb2.Planned(plan=plan_to_proto(plan), index=index))


def resulted(index: int, table: Table) -> Event:
    """Returns what was computed."""
    result = table.to_proto()
    result.index = index
    return Event(result=result)


def text(piece: str, bindings: Sequence[Bound] = ()) -> Event:
    """Returns a piece of the answer."""
    return Event(text=ask_service_pb2.TextDelta(text=piece, bindings=[binding(bound) for bound in bindings]))


def replaced(reason: str) -> Event:
    """Returns that all text so far is void."""
    return Event(replaced=ask_service_pb2.Replaced(reason=reason))


def finished(message: ask_service_pb2.Finished, *, kept: bool, problem: str) -> Event:
    """Returns the end.

    Args:
        message: What came of the question.
        kept: The answer was added to its conversation.
        problem: Why it was not, although it should have been.
    """
    message.kept = kept
    message.not_kept_detail = problem
    return Event(finished=message)


def binding(bound: Bound) -> ask_service_pb2.Binding:
    """Returns what a piece of text stands on."""
    return ask_service_pb2.Binding(
        text=bound.text, row=bound.row, column=bound.column, rounded_to_digits=bound.digits, result=bound.result
    )
