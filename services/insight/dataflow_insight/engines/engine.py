"""The seam between questions and what understands them: engines only plan and phrase; code computes, checks and gates."""

import typing
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from dataflow.insight.v1 import ask_service_pb2

from dataflow_insight.answers.draft import Draft
from dataflow_insight.catalogue.catalogue import Catalogue, Contract
from dataflow_insight.engines.usage import Usage
from dataflow_insight.plans.plan import Declined, Plan
from dataflow_insight.queries.table import Table


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation, and what was answered.

    Attributes:
        question: As asked.
        answer: The valid text.
        plans: What was computed; empty where it was declined.
    """

    question: str
    answer: str
    plans: tuple[Plan, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what it leans on.

    Attributes:
        question: In English, as asked; untrusted.
        catalogue: What exists.
        now: The present, UTC.
        zone: The asker's time zone.
        contract: Only this contract; empty: the one that fits.
        turns: Earlier questions of the conversation, oldest first.
    """

    question: str
    catalogue: Catalogue
    now: datetime
    zone: ZoneInfo
    contract: str = ""
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Computed:
    """A plan and its result.

    Attributes:
        index: Number of the plan in the answer, from 0; what `Claim.result` names.
        plan: As it ran.
        contract: Its contract.
        table: What the database returned.
    """

    index: int
    plan: Plan
    contract: Contract
    table: Table


class Desk(Protocol):
    """Computes plans for an engine: checks them, runs their SQL within the limits, and tells the asker."""

    @property
    def usage(self) -> Usage:
        """What the answer took so far; an engine adds its calls and tokens when it knows them."""
        ...

    async def compute(self, plan: Plan) -> Computed:
        """Returns the result of a plan.

        Raises:
            PlanError: The plan does not fit the catalogue; the text says why, and the engine may try another.
            QueryTooExpensiveError: It would cost more than a query, an answer or the caller may.
            EngineError: The engine has asked for as many queries as an answer may run (LIMIT).
        """
        ...


class Engine(Protocol):
    """Turns a question into plans and results into text. Neither is trusted: plans are checked, texts are verified."""

    @property
    def name(self) -> str:
        """What the asker is told, such as "local"."""
        ...

    def answer(self, asked: Asked, desk: Desk) -> AsyncGenerator[Draft | Declined, None]:
        """Yields the answer in pieces, with claims on the cells that support it; or, alone, why there is none.

        Raises:
            EngineError: The engine failed; another one answers.
        """
        ...


class Fallback(IntEnum):
    """Why another engine answered; values are those of the proto."""

    UNAVAILABLE = ask_service_pb2.FALLBACK_UNAVAILABLE
    RATE_LIMITED = ask_service_pb2.FALLBACK_RATE_LIMITED
    DEADLINE = ask_service_pb2.FALLBACK_DEADLINE
    REFUSED = ask_service_pb2.FALLBACK_REFUSED
    INVALID = ask_service_pb2.FALLBACK_INVALID
    UNSUPPORTED = ask_service_pb2.FALLBACK_UNSUPPORTED
    LIMIT = ask_service_pb2.FALLBACK_LIMIT
    WITHHELD = ask_service_pb2.FALLBACK_WITHHELD

    @property
    def proto(self) -> ask_service_pb2.Fallback.ValueType:
        """The proto's value."""
        return typing.cast("ask_service_pb2.Fallback.ValueType", int(self))


class EngineError(Exception):
    """An engine could not answer.

    Attributes:
        reason: The kind of failure.
    """

    def __init__(self, reason: Fallback, detail: str) -> None:
        """Takes the kind and a text for people, without secrets."""
        super().__init__(detail)
        self.reason = reason
