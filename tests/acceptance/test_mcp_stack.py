"""Summaries by the command and tools by MCP over readings that came through the whole pipeline."""

import json
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import pytest
from dataflow_stack.testing import LocalStack
from mcp import Client, StdioServerParameters

from tests import sensor_data

ROWS = list(islice((row for row in sensor_data.room_rows() if row[0] == "room-a"), 300))
COLUMN = 2 + sensor_data.ROOM_FIELDS.index("temperature")
TEMPERATURES = [value for row in ROWS if isinstance(value := row[COLUMN], float)]


@pytest.fixture(scope="module")
def loaded(stack: LocalStack) -> LocalStack:
    """Load five hours of a room through the listener."""
    recording, fields = stack.home / "room.jsonl", stack.home / "room.fields.json"
    lines = []
    for device, moment, *values in ROWS:
        payload = {
            "device_id": device,
            "ts": moment.isoformat(),
            **dict(zip(sensor_data.ROOM_FIELDS, values, strict=True)),
        }
        lines.append(json.dumps({"topic": f"rooms/{device}", "payload": payload}))
    recording.write_text("\n".join(lines))
    units = {"temperature": "°C", "humidity": "%"}
    fields.write_text(
        json.dumps(
            [
                {"name": "device_id", "type": "string"},
                {"name": "ts", "type": "timestamp"},
                *(
                    {"name": name, "type": "number", "nullable": True, "unit": units.get(name, "")}
                    for name in sensor_data.ROOM_FIELDS
                ),
            ]
        )
    )
    create = ("--event-time", "ts", "--identity", "device_id,ts", "--activate")
    stack.command("contract", "create", "room", "--fields", str(fields), *create)
    stack.command("route", "create", "rooms/+", "--contract", "room")
    assert json.loads(stack.command("replay", str(recording), "--wait-stored", "--json").stdout)["stored"] == 300
    return stack


@asynccontextmanager
async def tools(stack: LocalStack) -> AsyncIterator[Client]:
    """Starts `dataflow mcp` as a desktop client does."""
    arguments = ["-m", "dataflow_cli", "mcp", "--data-dir", str(stack.data_dir)]
    async with Client(StdioServerParameters(command=sys.executable, args=arguments, env={"TZ": "UTC"})) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Calls a tool that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def test_tools_read_what_the_pipeline_stored(loaded: LocalStack) -> None:
    """Contracts with units, an answer with its table, an average, and the latest reading are those of the recording."""
    async with tools(loaded) as client:
        contracts = (await call(client, "list_contracts"))["contracts"]
        room = next(item for item in contracts if item["name"] == "room")
        assert {"name": "temperature", "type": "number", "unit": "°C", "description": ""} in room["fields"]
        answer = await call(client, "ask", question="What was the highest temperature in room-a?")
        assert answer["verified"]
        assert not answer["declined"]
        assert any(max(TEMPERATURES) in row for table in answer["tables"] for row in table["rows"])
        declined = await call(client, "ask", question="Who won the match?")
        assert declined["declined"]
        found = await call(client, "aggregate", contract="room", fields=["temperature"], functions=["avg", "max"])
        values = found["buckets"][0]["values"]["temperature"]
        assert values["max"] == max(TEMPERATURES)
        assert values["avg"] == pytest.approx(statistics.fmean(TEMPERATURES))
        latest = (await call(client, "latest", contract="room", fields=["temperature"]))["readings"]
        newest = max(ROWS, key=lambda row: row[1])
        assert [(item["device_id"], item["fields"]["temperature"]) for item in latest] == [(newest[0], newest[COLUMN])]
        hours = await call(client, "aggregate", contract="room", fields=["temperature"], window_seconds=3600)
        assert sum(item["readings"] for item in hours["buckets"]) == 300
        assert len(hours["buckets"]) > 1
        wrong = await client.call_tool("latest", {"contract": "nothing"})
        assert wrong.is_error


def test_command_summarises_lists_shows_and_removes(loaded: LocalStack) -> None:
    """A summary is made of what was stored, kept, listed, shown again as it was, and removed."""
    done = loaded.command("summarize", "room", "--last", "all", "--time-zone", "UTC", "--json")
    summary = json.loads(done.stdout)
    assert int(summary["reading_count"]) == 300
    temperature = next(item for item in summary["numbers"] if item["field"] == "temperature")
    assert temperature["mean"] == pytest.approx(statistics.fmean(TEMPERATURES))
    assert temperature["highest"]["value"] == max(TEMPERATURES)
    assert summary["refusals"]["refused_count"] == "0"
    assert summary["summary_id"] in loaded.command("summary", "list", "--contract", "room").stdout
    again = json.loads(loaded.command("summary", "get", summary["summary_id"], "--json").stdout)
    assert again == summary
    text = loaded.command("summary", "get", summary["summary_id"]).stdout
    assert "Average temperature" in text
    assert "humidity" in text
    loaded.command("summary", "delete", summary["summary_id"])
    assert loaded.command("summary", "get", summary["summary_id"], check=False).returncode == 1
