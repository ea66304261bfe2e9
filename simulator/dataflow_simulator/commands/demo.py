"""`dataflow demo`: real data through the whole system, and two questions about it, within a minute."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import datetime, timedelta

import click
import orjson
from dataflow.validator.v1 import quarantine_pb2, reading_pb2
from dataflow_cli.context import Access, connection_options
from dataflow_cli.output import moment, print_table
from dataflow_client import AsyncClient, reading_filter

from dataflow_simulator.accounts import Account
from dataflow_simulator.commands.options import mqtt_options, protocol_of, runs
from dataflow_simulator.packaged import RECORDINGS, packaged_contract, packaged_recording
from dataflow_simulator.provision import provision_patiently
from dataflow_simulator.replay import ReplaySettings, replay

_QUESTIONS = (
    "What was the average temperature at Tiantan on 2014-01-02?",
    "What was the highest PM2.5 value over all stations from 2014-01-01 to 2014-01-03, and which station reported it?",
)
_ROWS = 5
_PATIENCE_SECONDS = 60.0


@click.command("demo")
@mqtt_options
@connection_options
@runs
async def command(
    access: Access, address: tuple[str, int] | None, version: str, username: str | None, password: str | None
) -> int:
    """Publish three days of air quality in Beijing and two days of an office, look at rows and refusals, ask."""
    host, port = address or access.mqtt()
    messages = [message for name in RECORDINGS for message in packaged_recording(name)]
    first, last = _span([message.payload for message in messages if message.topic.startswith("stations/")])
    async with access.async_client() as client:
        await provision_patiently(client, (packaged_contract(name) for name in RECORDINGS), _PATIENCE_SECONDS)
        click.echo(
            f"1. {len(messages):,} recorded messages of 12 stations and a room go to {host}:{port} by MQTT, QoS 1"
        )
        async with await Account.open(access.postgres()) as account:
            settings = ReplaySettings(host, port, protocol=protocol_of(version), username=username, password=password)
            counts = await replay(messages, settings)
            sums, complete = await account.wait_for(counts.acknowledged, _PATIENCE_SECONDS, settle_seconds=0.5)
        click.echo(
            f"   acknowledged {counts.acknowledged:,}; stored {sums.stored:,}, duplicate {sums.duplicate:,}, "
            f"conflict {sums.conflict:,}, quarantined {sums.quarantined:,} (others who send meanwhile are counted too)\n"
        )
        click.echo('2. Rows of the table readings."station":')
        await _show_rows(client, first, last)
        click.echo("3. Why messages of these stations were refused (the gaps are the data's own):")
        await _show_reasons(client)
        for number, question in enumerate(_QUESTIONS, start=4):
            click.echo(f"{number}. {question}\n   {await client.ask_text(question, contract='station')}\n")
    if not complete or counts.acknowledged != counts.published:
        click.echo("Error: not every message was acknowledged and accounted for within a minute", err=True)
        return 1
    click.echo(
        'Sent again, nothing would be stored twice: try `dataflow demo` once more. `dataflow ask "..."` asks more.'
    )
    return 0


def _span(payloads: list[bytes]) -> tuple[datetime, datetime]:
    """Returns the event times between which all payloads lie."""
    times = [datetime.fromisoformat(str(orjson.loads(payload)["ts"])) for payload in payloads]
    return min(times), max(times) + timedelta(seconds=1)


async def _show_rows(client: AsyncClient, first: datetime, last: datetime) -> None:
    which = reading_filter("station", start_time=first, end_time=last)
    rows: list[reading_pb2.Reading] = []
    async for row in client.readings.list(which, page_size=_ROWS):
        rows.append(row)
        if len(rows) == _ROWS:
            break
    names = ("pm25", "temp", "pres", "wspm")
    print_table(
        ("device", "event time", *names),
        [(row.device_id, moment(row.event_time), *(_number(row, name) for name in names)) for row in rows],
        empty="(none)",
    )
    click.echo()


def _number(row: reading_pb2.Reading, name: str) -> float | None:
    value = row.fields.get(name)
    return None if value is None else getattr(value, str(value.WhichOneof("kind")))


async def _show_reasons(client: AsyncClient) -> None:
    counted: Counter[tuple[str, str, str]] = Counter()
    which = quarantine_pb2.QuarantineFilter(contract="station")
    items = client.quarantine.list(which, page_size=1000)
    seen = 0
    async for item in items:
        for reason in item.reasons:
            counted[reason.path, reason.rule, reason.message] += 1
        seen += 1
        if seen == 1000:
            break
    top = itertools.islice(counted.most_common(), 6)
    print_table(
        ("field", "rule", "message", "items"),
        [(path, rule, message, count) for (path, rule, message), count in top],
        empty="(none)",
    )
    click.echo()
