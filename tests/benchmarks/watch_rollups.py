"""Follows readings and rolls them up while eight writers, replays, a Backfill and kill -9 do their worst; then compares.

Against a real local stack. Eight writers publish new, late, resent, conflicting and refused messages. Validators and
followers are killed at random, a second revision is activated with a replay of what the first refused, a third with a
Backfill of every row. At the end each follower, over all its lives, must have seen every row of the table at least once, no
row twice except one that was judged again (a higher revision, or other content where two items contested one key), in the
order of transactions; and the rollups must equal a full recomputation.

Run: ``python -m tests.benchmarks.watch_rollups [--seconds S] [--rate R] [--out FILE]``. Exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg
from dataflow.validator.v1 import contract_pb2, job_pb2, quarantine_pb2
from dataflow_client import AsyncClient, Connection, DataflowError, OutgoingMessage, Targets
from dataflow_stack.testing import LocalStack
from dataflow_validator.rollups.testing import differences

from tests.benchmarks.watch_follower import whole_lines

CONTRACT: Final = "trial"
_WRITERS: Final = 8
_DEVICES: Final = 24
_FOLLOWED: Final = ["device-01", "device-07", "device-19"]
_SETTLE_SECONDS: Final = 120.0
_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class Options:
    """How long, how hard.

    Attributes:
        seconds: Of writing.
        rate: Messages per second of all writers together.
        validators: Validator processes.
        kill_seconds: Mean time between two kills of validators, and of followers.
        seed: Of all dice.
    """

    seconds: float = 60.0
    rate: float = 1_000.0
    validators: int = 3
    kill_seconds: float = 6.0
    seed: int = 7


Key: TypeAlias = tuple[str, int, str]
"""Device, event time in µs, message id."""


class Version(NamedTuple):
    """What a row says: two items may contest one key, and healing may let the one win that came first."""

    revision: int
    value: float


class Taken(NamedTuple):
    """A row as a follower took it."""

    key: Key
    version: Version


class Row(NamedTuple):
    """A row as it stands in the end."""

    version: Version
    xid: int


@dataclass(slots=True)
class Counts:
    """What was done to the stack."""

    published: Counter[str] = field(default_factory=Counter)
    validator_kills: int = 0
    follower_kills: int = 0
    jobs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Follower:
    """A follower through all its lives.

    Attributes:
        name: For the report.
        path: Where it keeps what it took.
        device_ids: Which devices; none for all.
        columns: In which form.
    """

    name: str
    path: Path
    device_ids: Sequence[str] = ()
    columns: bool = False
    process: asyncio.subprocess.Process | None = None

    async def start(self, environ: dict[str, str]) -> None:
        """Begins a life."""
        arguments = [str(self.path), CONTRACT, *(["--columns"] if self.columns else [])]
        arguments += [part for device in self.device_ids for part in ("--device", device)]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.watch_follower", *arguments, env=environ, cwd=_ROOT
        )

    async def kill(self) -> None:
        """Ends a life, in the middle of whatever it does."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    def taken(self) -> list[Taken]:
        """Returns all rows in the order in which they were taken."""
        return [
            Taken((row[0], row[1], row[2]), Version(row[3], row[4]))
            for line in whole_lines(self.path)
            for row in line["rows"]
        ]


_ROOT: Final = Path(__file__).resolve().parents[2]


class Trial:
    """One run against one stack.

    Args:
        stack: Running.
        options: How long, how hard.
    """

    def __init__(self, stack: LocalStack, options: Options) -> None:
        document = stack.status()
        self._stack = stack
        self._options = options
        self._dsn = str(document["postgres"])
        self._target = str(document["grpc"]["validator"])
        self._token_file = str(document["token_file"])
        self._connection = Connection(
            Targets(bridge=str(document["grpc"]["bridge"]), validator=self._target),
            Path(self._token_file).read_text(encoding="utf-8").strip(),
        )
        self._dice = random.Random(options.seed)
        self.counts = Counts()
        self.followers = [
            Follower("readings", stack.home / "readings.jsonl"),
            Follower("columns", stack.home / "columns.jsonl", columns=True),
            Follower("devices", stack.home / "devices.jsonl", device_ids=_FOLLOWED),
        ]

    async def run(self) -> dict[str, Any]:
        """Does it all and returns the report."""
        async with AsyncClient(self._connection) as client:
            await client.contracts.create(CONTRACT, _spec(100.0), activate=True)
            await client.routes.create("trial/#", CONTRACT, device_rule="payload:/device_id")
            for follower in self.followers:
                await follower.start(self._environ())
            began = time.monotonic()
            end = began + self._options.seconds
            try:
                async with asyncio.TaskGroup() as group:
                    for number in range(_WRITERS):
                        group.create_task(self._write(client, number, end))
                    group.create_task(self._kill_validators(end))
                    group.create_task(self._kill_followers(end))
                    group.create_task(self._heal(client, began))
                return await self._compare(time.monotonic() - began)
            finally:
                for follower in self.followers:
                    await follower.kill()

    async def _write(self, client: AsyncClient, number: int, end: float) -> None:
        """Publishes batches of every kind of message; repeats a batch, unchanged, until it is acknowledged."""
        dice = random.Random(self._options.seed * 1_000 + number)
        sent: list[OutgoingMessage] = []
        serial = 0
        pause = _BATCH * _WRITERS / self._options.rate
        due = time.monotonic()
        while time.monotonic() < end:
            batch = []
            for _ in range(_BATCH):
                serial += 1
                batch.append(self._message(dice, number, serial, sent))
            sent = [*sent, *batch][-2_000:]
            while True:
                with contextlib.suppress(DataflowError):
                    result = await client.publish(batch)
                    assert not result.rejected, result.rejected
                    break
                await asyncio.sleep(0.2)
            due += pause
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _message(
        self, dice: random.Random, writer: int, serial: int, sent: Sequence[OutgoingMessage]
    ) -> OutgoingMessage:
        luck = dice.random()
        if sent and luck < 0.08:
            self.counts.published["resent"] += 1
            return dice.choice(sent)
        now = datetime.now(UTC)
        moment, value, kind = now, dice.uniform(0.0, 99.0), "new"
        if luck < 0.25:
            moment, kind = now - timedelta(seconds=dice.uniform(60.0, 40 * 86_400.0)), "late"
        elif luck < 0.30:
            value, kind = dice.uniform(101.0, 900.0), "refused"
        device = f"device-{dice.randrange(_DEVICES):02}"
        identity = f"{writer}-{serial}"
        topic = f"trial/{writer}"
        if sent and 0.30 <= luck < 0.33:
            kind = "conflict"
            first = dice.choice(sent).payload
            assert isinstance(first, dict)
            device, identity = str(first["device_id"]), str(first["n"])
            moment = datetime.fromisoformat(str(first["ts"]))
        self.counts.published[kind] += 1
        return OutgoingMessage(topic, {"device_id": device, "n": identity, "ts": moment.isoformat(), "value": value})

    async def _kill_validators(self, end: float) -> None:
        async for _ in self._moments(end):
            name = f"validator-{self._dice.randrange(self._options.validators)}"
            document = json.loads((self._stack.data_dir / "status.json").read_text(encoding="utf-8"))
            entry = next((entry for entry in document["processes"] if entry["name"].startswith(name)), None)
            if entry is not None and entry["pid"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(entry["pid"], signal.SIGKILL)
                    self.counts.validator_kills += 1

    async def _kill_followers(self, end: float) -> None:
        async for _ in self._moments(end):
            follower = self._dice.choice(self.followers)
            await follower.kill()
            self.counts.follower_kills += 1
            await follower.start(self._environ())

    async def _moments(self, end: float) -> AsyncIterator[None]:
        while True:
            pause = self._dice.uniform(0.5, 1.5) * self._options.kill_seconds
            if time.monotonic() + pause >= end:
                return
            await asyncio.sleep(pause)
            yield

    async def _heal(self, client: AsyncClient, began: float) -> None:
        """Makes the contract wider and replays; then gives it another field and judges every row again."""
        await asyncio.sleep(self._options.seconds * 0.3)
        await self._patiently(lambda: client.contracts.revise(CONTRACT, _spec(1_000.0), activate=True))
        replay = await self._patiently(
            lambda: client.quarantine.replay(_quarantine_of(CONTRACT), request_id="replay-1")
        )
        self.counts.jobs["replay"] = await self._ended(client, replay)
        await asyncio.sleep(max(0.0, began + self._options.seconds * 0.6 - time.monotonic()))
        await self._patiently(lambda: client.contracts.revise(CONTRACT, _spec(1_000.0, more=True), activate=True))
        backfill = await self._patiently(lambda: client.quarantine.backfill(CONTRACT, request_id="backfill-1"))
        self.counts.jobs["backfill"] = await self._ended(client, backfill)

    async def _patiently(self, call: Any) -> Any:
        """Makes a call again while validators are being killed."""
        until = time.monotonic() + 60.0
        while True:
            try:
                return await call()
            except DataflowError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.5)

    async def _ended(self, client: AsyncClient, job: job_pb2.Job) -> dict[str, Any]:
        while job.state in {job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING}:
            await asyncio.sleep(0.3)
            job = await self._patiently(partial(client.jobs.get, job.job_id))
        seconds = (job.end_time.ToDatetime() - job.create_time.ToDatetime()).total_seconds()
        return {"state": job_pb2.JobState.Name(job.state), "done": job.progress.done, "seconds": seconds}

    async def _compare(self, seconds: float) -> dict[str, Any]:
        connection = await asyncpg.connect(self._dsn)
        try:
            rows = await self._settled(connection)
            rolled = await self._rolled(connection)
            followers = {}
            for follower in self.followers:
                followers[follower.name] = await self._caught_up(follower, rows)
        finally:
            await connection.close()
        report = {
            "seconds": round(seconds, 1),
            "writers": _WRITERS,
            "validators": self._options.validators,
            "published": dict(self.counts.published),
            "validator_kills": self.counts.validator_kills,
            "follower_kills": self.counts.follower_kills,
            "jobs": self.counts.jobs,
            "rows": len(rows),
            "rollup_differences": rolled,
            "followers": followers,
        }
        sent = self.counts.published
        report["rows_expected"] = sent["new"] + sent["late"] + sent["refused"]
        report["ok"] = (
            not rolled
            and len(rows) == report["rows_expected"]
            and not any(
                follower[what]
                for follower in followers.values()
                for what in ("missing", "foreign", "repeated", "disordered")
            )
        )
        return report

    async def _settled(self, connection: asyncpg.Connection[asyncpg.Record]) -> dict[Key, Row]:
        """Waits until everything acknowledged is stored; returns the rows by key."""
        before, until = -1, time.monotonic() + _SETTLE_SECONDS
        while True:
            # The ring is empty when the ledger has each sequence that was acknowledged, and stops growing.
            batches = await connection.fetchval("SELECT count(*) FROM validator.batch")
            quiet = batches == before
            before = batches
            if quiet or time.monotonic() > until:
                break
            await asyncio.sleep(3.0)
        rows = await connection.fetch(
            f"SELECT device_id, (extract(epoch FROM event_time) * 1000000)::bigint AS micros, message_id::text, revision, value, "
            f"(stored_xid::text)::bigint AS xid FROM readings.{CONTRACT}"
        )
        return {
            (row["device_id"], row["micros"], row["message_id"]): Row(
                Version(row["revision"], row["value"]), row["xid"]
            )
            for row in rows
        }

    async def _rolled(self, connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
        """Waits for the rollup worker and compares with a full recomputation."""
        until = time.monotonic() + _SETTLE_SECONDS
        while True:
            found = await differences(connection, CONTRACT)
            if not found or time.monotonic() > until:
                return found
            await asyncio.sleep(1.0)

    async def _caught_up(self, follower: Follower, rows: dict[Key, Row]) -> dict[str, Any]:
        """Waits until a follower has taken what is there, and judges all that it took."""
        wanted = {key: row for key, row in rows.items() if not follower.device_ids or key[0] in follower.device_ids}
        until = time.monotonic() + _SETTLE_SECONDS
        while True:
            taken = follower.taken()
            newest = dict(taken)
            behind = sum(newest.get(key) != row.version for key, row in wanted.items())
            if not behind or time.monotonic() > until:
                break
            await asyncio.sleep(0.5)
        lags = sorted(line["lag_ms"] for line in whole_lines(follower.path) if line["rows"] and not line["more"])
        return {"taken": len(taken), "rows": len(wanted), **_judged(taken, wanted), **_percentiles(lags)}

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "DATAFLOW_VALIDATOR": self._target, "DATAFLOW_TOKEN_FILE": self._token_file}


def _judged(taken: Sequence[Taken], wanted: dict[Key, Row]) -> dict[str, int]:
    """Counts what must not be: rows never taken, taken ones that are none, repeats, and steps back in the order."""
    newest: dict[Key, Version] = {}
    repeated = judged_again = replaced = disordered = 0
    last_xid = 0
    for key, version in taken:
        before = newest.get(key)
        if before is not None:
            judged_again += version.revision > before.revision
            replaced += version.revision <= before.revision and version.value != before.value
            repeated += version.revision <= before.revision and version.value == before.value
        newest[key] = version
        row = wanted.get(key)
        # Only of the version that is still there the transaction is known.
        if row is not None and row.version == version:
            disordered += row.xid < last_xid
            last_xid = max(last_xid, row.xid)
    return {
        "missing": sum(newest.get(key) != row.version for key, row in wanted.items()),
        "foreign": sum(key not in wanted for key in newest),
        "repeated": repeated,
        "judged_again": judged_again,
        "replaced": replaced,
        "disordered": disordered,
    }


def _percentiles(values: Sequence[int]) -> dict[str, int | None]:
    if not values:
        return {"lag_p50_ms": None, "lag_p99_ms": None}
    return {"lag_p50_ms": values[len(values) // 2], "lag_p99_ms": values[min(len(values) - 1, len(values) * 99 // 100)]}


def _spec(maximum: float, *, more: bool = False) -> contract_pb2.ContractSpec:
    field, kinds = contract_pb2.Field, contract_pb2
    fields = [
        field(name="device_id", type=kinds.FIELD_TYPE_STRING, required=True),
        field(name="n", type=kinds.FIELD_TYPE_STRING, required=True),
        field(name="ts", type=kinds.FIELD_TYPE_TIMESTAMP, required=True),
        field(name="value", type=kinds.FIELD_TYPE_NUMBER, required=True, max=maximum),
    ]
    if more:
        fields.append(field(name="quality", type=kinds.FIELD_TYPE_STRING, required=False))
    return contract_pb2.ContractSpec(fields=fields, event_time_field="ts", identity=["n"])


def _quarantine_of(contract: str) -> quarantine_pb2.QuarantineFilter:
    return quarantine_pb2.QuarantineFilter(contract=contract, kinds=[quarantine_pb2.QUARANTINE_KIND_REFUSED])


async def trial(options: Options) -> dict[str, Any]:
    """Runs a stack of its own for one trial."""
    flags = ("--no-fleet", "--validators", str(options.validators))
    stack = LocalStack(flags)
    try:
        await asyncio.to_thread(stack.up)
        return await Trial(stack, options).run()
    finally:
        await asyncio.to_thread(stack.close)


def main() -> int:
    """Read the command line, run the trial, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = Options()
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--rate", type=float, default=usual.rate)
    parser.add_argument("--validators", type=int, default=usual.validators)
    parser.add_argument("--kill-seconds", type=float, default=usual.kill_seconds)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    options = Options(asked.seconds, asked.rate, asked.validators, asked.kill_seconds, asked.seed)
    report = asyncio.run(trial(options))
    text = json.dumps(report, indent=2)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
