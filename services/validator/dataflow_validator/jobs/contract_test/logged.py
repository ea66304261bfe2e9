"""Judges the logged messages that are rows now: a page of the raw log, in whole transactions.

A transaction's rows carry its id, and so does its piece of the raw log. Where Postgres counts as many rows of a transaction
as the log has items of it, with the same contents, each item is a row and nothing needs to be looked up. Else (something
of it was refused, a resend, healed, withdrawn, deleted) its items are looked up by their keys: whatever is a row counts
here, what is in quarantine is counted there, and what is neither was a resend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from dataflow_mesh.postgres import Connection
from dataflow_ring.batch import is_erased

from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.contracts.outcome import Accepted, Arrival, Refused
from dataflow_validator.elements import SplitMessage
from dataflow_validator.failure import of_lane
from dataflow_validator.jobs.contract_test.candidate import Candidate
from dataflow_validator.jobs.contract_test.counts import ROW_CHANGED, ROW_REFUSED, Counts
from dataflow_validator.jobs.contract_test.request import TestRequest
from dataflow_validator.jobs.contract_test.transactions import Group, RowsOf
from dataflow_validator.judged import left_of
from dataflow_validator.readings.rows import readings_table
from dataflow_validator.rejudge.cases import Case, RowKey

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Outcome = Accepted | Refused
Load = Callable[[int], Awaitable[CompiledContract]]
"""Gives a revision of the contract."""


class LoggedItems:
    """Judges groups and counts what would become of their rows.

    Args:
        candidate: What judges.
        request: Which items count.
        load: Gives the revisions that rows have.
        counts: Where to count.
    """

    def __init__(
        self,
        candidate: Candidate,
        request: TestRequest,
        load: Load,
        counts: Counts,
    ) -> None:
        self._candidate = candidate
        self._request = request
        self._load = load
        self._revisions: dict[int, CompiledContract] = {}
        self._counts = counts
        self._narrows = request.narrows

    async def judge(self, connection: Connection, groups: Sequence[Group], rows: Mapping[int, RowsOf]) -> None:
        """Judges and counts groups."""
        for group in groups:
            expected = rows.get(group.xid, RowsOf(0, 0, 0))
            if expected.revision:
                await self._know([expected.revision])
            if not (expected.revision and self._all_rows(group, expected)):
                await self._look_up(connection, group)
            # The lease is renewed meanwhile.
            await asyncio.sleep(0)

    def _may_change(self, before: CompiledContract, after: CompiledContract) -> bool:
        return before is not after and self._candidate.may_change_values(before, after)

    async def _know(self, revisions: Iterable[int]) -> None:
        for number in revisions:
            if number not in self._revisions:
                self._revisions[number] = await self._load(number)

    def _all_rows(self, group: Group, expected: RowsOf) -> bool:
        """Judges and counts a group of which each item is a row of one revision; counts nothing where that is not so."""
        resolve, compiled = self._candidate.resolve, self._candidate.compiled
        before = self._revisions[expected.revision]
        # What the candidate accepts needs no second look, unless its values may be others.
        plain = not self._narrows and not self._may_change(before, compiled)
        items = contents = accepted = 0
        odd: list[tuple[Arrival, bool, DeviceRule, CompiledContract, Outcome]] = []
        last_us, receive_time = 0, _EPOCH
        for batch in group.batches:
            batch_id = batch.batch_id
            for position, message in enumerate(batch.messages):
                topic = message.topic
                resolved = resolve(topic)
                if resolved is None:
                    continue
                contract, rule = resolved
                microseconds = message.receive_time_us
                if microseconds != last_us:
                    last_us = microseconds
                    receive_time = _EPOCH + timedelta(microseconds=last_us)
                arrival = Arrival(
                    topic,
                    message.device_id or None,
                    message.payload,
                    receive_time,
                    message.message_id or None,
                    message.maybe_duplicate,
                    batch_id,
                    position,
                )
                if message.HasField("erasure"):
                    if is_erased(message):
                        continue
                    arrival = arrival._replace(message_sha1=message.erasure.payload_sha1)
                outcomes = contract.judge(arrival, rule)
                several = len(outcomes) > 1
                if several and arrival.message_sha1 is not None:
                    outcomes = left_of(message, outcomes)
                items += len(outcomes)
                for outcome in outcomes:
                    if type(outcome) is Accepted:
                        contents ^= outcome.row[4]  # type: ignore[operator]  # the content hash
                        if plain and contract is compiled:
                            accepted += 1
                        else:
                            odd.append((arrival, several, rule, contract, outcome))
                    elif type(outcome) is Refused:
                        contents ^= outcome.content_hash
                        odd.append((arrival, several, rule, contract, outcome))
        if (items, contents) != (expected.rows, expected.contents):
            return False
        numbers = self._counts.numbers
        numbers["rows_found"] += accepted
        numbers["accepted"] += accepted
        numbers["rows_unchanged"] += accepted
        for arrival, several, rule, contract, outcome in odd:
            self._count_row(arrival, several, rule, contract, outcome, before)
        return True

    async def _look_up(self, connection: Connection, group: Group) -> None:
        """Counts the items of a group that are rows, whatever has become of the others."""
        cases = [(case, rule) for case, rule in self._cases(group)]
        keys: dict[RowKey, None] = {key: None for case, _ in cases for key in case.row_keys}
        if not keys:
            return
        _, devices, times, ids = zip(*keys, strict=True)
        name = self._candidate.compiled.spec.name
        records = await of_lane(
            name,
            connection.fetch(
                f"""SELECT r.device_id, r.event_time, r.message_id, r.content_hash, r.revision, r.receive_time
                    FROM unnest($1::text[], $2::timestamptz[], $3::uuid[]) AS k (device_id, event_time, message_id)
                    JOIN {readings_table(name)} r
                      ON r.device_id = k.device_id AND r.event_time = k.event_time AND r.message_id = k.message_id""",  # noqa: S608 - as above
                devices,
                times,
                ids,
            ),
        )
        rows = {
            (name, r["device_id"], r["event_time"], r["message_id"]): (
                r["content_hash"],
                r["receive_time"],
                r["revision"],
            )
            for r in records
        }
        await self._know({row[2] for row in rows.values()})
        for case, rule in cases:
            for key in case.row_keys:
                row = rows.get(key)
                # A resend has another time of receipt; of two with the same one, the first is the row.
                if row is not None and row[:2] == (case.content_hash, case.arrival.receive_time):
                    del rows[key]
                    before = self._revisions[row[2]]
                    self._count_row(case.arrival, case.split is not None, rule, case.contract, case.outcome, before)
                    break

    def _cases(self, group: Group) -> Iterator[tuple[Case, DeviceRule]]:
        for batch in group.batches:
            batch_uuid = UUID(bytes=batch.batch_id)
            for position, message in enumerate(batch.messages):
                resolved = self._candidate.resolve(message.topic)
                if resolved is None or is_erased(message):
                    continue
                contract, rule = resolved
                arrival = Arrival(
                    message.topic,
                    message.device_id or None,
                    message.payload,
                    _EPOCH + timedelta(microseconds=message.receive_time_us),
                    message.message_id or None,
                    message.maybe_duplicate,
                    batch.batch_id,
                    position,
                    message.erasure.payload_sha1 if message.HasField("erasure") else None,
                )
                outcomes = contract.judge(arrival, rule)
                split = None
                if len(outcomes) > 1:
                    split = SplitMessage(message.payload, arrival.message_sha1)
                    if arrival.message_sha1 is not None:
                        outcomes = left_of(message, outcomes)
                for outcome in outcomes:
                    yield Case(contract, arrival, outcome, batch_uuid, split), rule

    def _count_row(
        self,
        arrival: Arrival,
        several: bool,
        rule: DeviceRule,
        contract: CompiledContract,
        outcome: Outcome,
        before: CompiledContract,
    ) -> None:
        """Counts an item that is a row: refused, with other values, or as it is."""
        device_id = str(outcome.row[0]) if isinstance(outcome, Accepted) else outcome.device_id
        counts = self._counts
        if self._narrows and not self._request.wants(device_id, arrival.receive_time):
            return
        counts.numbers["rows_found"] += 1
        if isinstance(outcome, Refused):
            counts.refused(outcome.kind.value, outcome.reasons)
            counts.numbers["rows_refused"] += 1
            if counts.wants_sample(ROW_REFUSED):
                counts.sample(ROW_REFUSED, arrival, _payload(arrival, several, outcome), device_id, outcome.reasons)
            return
        counts.numbers["accepted"] += 1
        changes = self._changes(arrival, rule, contract, outcome, before)
        counts.numbers["rows_changed" if changes else "rows_unchanged"] += 1
        if changes and counts.wants_sample(ROW_CHANGED):
            counts.sample(ROW_CHANGED, arrival, _payload(arrival, several, outcome), device_id, changes=changes)

    def _changes(
        self,
        arrival: Arrival,
        rule: DeviceRule,
        contract: CompiledContract,
        outcome: Accepted,
        before: CompiledContract,
    ) -> dict[str, tuple[object, object]]:
        if not self._may_change(before, contract):
            return {}
        was = before.judge(arrival, rule)
        same = next((one for one in was if isinstance(one, Accepted) and one.element == outcome.element), None)
        if same is None:  # its own revision refuses it by now, for example since its route's device rule is another one
            return {}
        old, new = _values(before, same.row), _values(contract, outcome.row)
        return {
            name: (old.get(name), new.get(name)) for name in old.keys() | new.keys() if old.get(name) != new.get(name)
        }


def _values(contract: CompiledContract, row: tuple[Any, ...]) -> dict[str, Any]:
    values = {column.name: value for column, value in zip(contract.columns, row[6:-1], strict=True)}
    values["extra"] = row[-1]
    return values


def _payload(arrival: Arrival, several: bool, outcome: Outcome) -> bytes:
    """Returns the bytes of one item."""
    if not several:
        return arrival.payload
    return SplitMessage(arrival.payload, arrival.message_sha1).element(outcome.element) or arrival.payload
