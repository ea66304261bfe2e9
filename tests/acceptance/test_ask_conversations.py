"""Conversations on a running stack, as a user has them with the command."""

import asyncio
import json
import subprocess
import sys

import asyncpg
import pytest
from dataflow_stack.testing import LocalStack


@pytest.fixture(scope="module")
def loaded(stack: LocalStack) -> LocalStack:
    """Load two rooms and a day through the listener."""
    lines = [
        json.dumps(
            {
                "topic": f"rooms/{room}",
                "payload": {"device_id": room, "ts": f"2024-01-01T{hour:02}:00:00Z", "temperature": base + hour / 10},
            }
        )
        for room, base in (("kitchen", 20.0), ("attic", 10.0))
        for hour in range(24)
    ]
    recording, fields = stack.home / "rooms.jsonl", stack.home / "rooms.fields.json"
    recording.write_text("\n".join(lines))
    fields.write_text(
        json.dumps(
            [
                {"name": "device_id", "type": "string"},
                {"name": "ts", "type": "timestamp"},
                {"name": "temperature", "type": "number", "unit": "°C"},
            ]
        )
    )
    stack.command("contract", "create", "rooms", "--fields", str(fields), "--event-time", "ts", "--identity", "device_id,ts", "--activate")  # fmt: skip
    stack.command("route", "create", "rooms/+", "--contract", "rooms")
    stack.command("replay", str(recording), "--wait-stored")
    return stack


def ask(stack: LocalStack, question: str, *options: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(stack.command("ask", question, "--json", *options).stdout)
    return answer


def test_a_conversation_is_begun_continued_shown_and_deleted(loaded: LocalStack) -> None:
    """What was asked is kept in order until its asker deletes it."""
    first = ask(loaded, "What was the highest temperature in the kitchen?", "--new-conversation")
    assert "22.3" in str(first["answer"])
    assert first["kept"] is True
    name = str(first["conversation_id"])
    second = ask(loaded, "How many readings did the attic send?", "--conversation", name)
    assert (second["kept"], second["conversation_id"]) == (True, name)
    listed = json.loads(loaded.command("conversation", "list", "--json").stdout)
    assert [(item["conversation_id"], item["turn_count"]) for item in listed] == [(name, 2)]
    shown = loaded.command("conversation", "get", name).stdout
    assert "1. What was the highest temperature in the kitchen?" in shown
    assert "2. How many readings did the attic send?" in shown
    loaded.command("conversation", "delete", name)
    assert json.loads(loaded.command("conversation", "list", "--json").stdout) == []
    assert loaded.command("conversation", "get", name, check=False).returncode == 1
    assert loaded.command("ask", "How many?", "--conversation", name, check=False).returncode == 1


def test_lines_from_a_pipe_are_one_conversation(loaded: LocalStack) -> None:
    """Without a question the command reads one after the other."""
    done = subprocess.run(
        [sys.executable, "-m", "dataflow_cli", "ask", "--json", "--data-dir", str(loaded.data_dir)],
        input="How many readings are there in rooms?\nWhat was the lowest temperature in the attic?\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({answer["conversation_id"] for answer in answers}) == 1
    assert "48" in answers[0]["answer"]
    assert "10" in answers[1]["answer"]


def test_insights_own_login_sees_nothing_but_its_own(loaded: LocalStack) -> None:
    """The process that answers can neither change readings nor read them with the login that keeps conversations."""
    ask(loaded, "How many readings are there in rooms?", "--new-conversation")
    passwords = json.loads(next(loaded.data_dir.rglob("passwords.json")).read_text())
    status = json.loads(loaded.command("status", "--json").stdout)

    async def look() -> None:
        address = status["postgres"].rpartition("@")[2]
        own = await asyncpg.connect(f"postgresql://dataflow_insight:{passwords['insight']}@{address}")
        reader = await asyncpg.connect(f"postgresql://dataflow_reader:{passwords['reader']}@{address}")
        try:
            assert await own.fetchval("SELECT count(*) FROM insight.turn") > 0
            for connection, statement in (
                (own, "SELECT * FROM readings.rooms"),
                (own, "DROP TABLE readings.rooms"),
                (own, "SELECT * FROM validator.contract"),
                (reader, "SELECT * FROM insight.turn"),
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(statement)
        finally:
            await own.close()
            await reader.close()

    asyncio.run(look())
