"""Asks the system itself, again and again during a campaign, whether anything that was acknowledged is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio
from dataflow.validator.v1 import ledger_pb2
from dataflow.validator.v1 import ledger_service_pb2 as pb
from dataflow.validator.v1.ledger_service_pb2_grpc import LedgerServiceStub

if TYPE_CHECKING:  # the stub files alone have this name
    from dataflow.validator.v1.ledger_service_pb2_grpc import LedgerServiceAsyncStub

_EVERY_SECONDS: Final = 2.0
_CALL_SECONDS: Final = 10.0
_EXAMPLES: Final = 5


@dataclass(slots=True)
class Samples:
    """What LedgerService.CheckLedger said."""

    answered: int = 0
    declined: int = 0
    """No validator answered, or Postgres did not."""
    complete: int = 0
    """All could be looked at, and nothing was missing."""
    unreachable: int = 0
    """Something was perhaps on a node that did not answer."""
    most_in_ring: int = 0
    """Sequences on their way."""
    missing: list[str] = field(default_factory=list)
    """Each time that something was missing: when, and what."""

    def document(self) -> dict[str, Any]:
        """Returns them for JSON."""
        return {
            "answered": self.answered,
            "declined": self.declined,
            "complete": self.complete,
            "with_unreachable_nodes": self.unreachable,
            "most_sequences_in_ring": self.most_in_ring,
            "with_missing": len(self.missing),
        }


class Sampler:
    """Takes samples until it is cancelled.

    Args:
        target: Of the validators.
        token: May read the ledger.
        now: Seconds since the campaign began.
    """

    def __init__(self, target: str, token: str, now: Callable[[], float]) -> None:
        self.samples = Samples()
        self._target = target
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._now = now

    async def run(self) -> None:
        """Takes a sample every two seconds, for ever."""
        async with grpc.aio.insecure_channel(self._target) as channel:
            stub = LedgerServiceStub(channel)
            while True:
                await self._take(stub)
                await asyncio.sleep(_EVERY_SECONDS)

    async def last(self) -> str:
        """Takes one more sample, when everything has come through, and returns what is wrong with it."""
        async with grpc.aio.insecure_channel(self._target) as channel:
            response = await self._take(LedgerServiceStub(channel))
        if response is None:
            return "nobody answered"
        return "" if response.complete and not response.in_ring else _told(response)

    async def _take(self, stub: LedgerServiceAsyncStub) -> pb.CheckLedgerResponse | None:
        samples = self.samples
        try:
            response: pb.CheckLedgerResponse = await stub.CheckLedger(
                pb.CheckLedgerRequest(page_size=1000), timeout=_CALL_SECONDS, metadata=self._metadata
            )
        except grpc.aio.AioRpcError:
            samples.declined += 1
            return None
        samples.answered += 1
        samples.complete += response.complete
        samples.unreachable += bool(response.unreachable_nodes)
        samples.most_in_ring = max(samples.most_in_ring, response.in_ring)
        if response.missing:
            samples.missing.append(f"at {self._now():.1f} s: {_told(response)}")
        return response


def _told(response: pb.CheckLedgerResponse) -> str:
    ranges = [
        f"{boot.bridge_id} {one.first}-{one.last} {_word(one.state)}"
        for boot in response.boots
        for one in boot.ranges
        if boot.missing or boot.unreachable
    ]
    return (
        f"{response.missing} missing, {response.unreachable} unreachable, {response.in_ring} in the ring,"
        f" {response.parked} parked: {'; '.join(ranges[:_EXAMPLES])}"
    )


def _word(state: ledger_pb2.SequenceState.ValueType) -> str:
    return ledger_pb2.SequenceState.Name(state).removeprefix("SEQUENCE_STATE_")
