"""The ledger of a whole stack: complete, a loss that everybody sees, a leader that freezes."""

import asyncio
import json
import signal
from typing import Any

import asyncpg
from dataflow_stack.testing import LocalStack

LIFE = "00000000-0000-0000-0000-000000000001"


def ask(stack: LocalStack, query: str) -> Any:
    """Ask the stack's database."""

    async def asked() -> Any:
        connection = await asyncpg.connect(stack.status()["postgres"])
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(asked())


def test_the_ledger_is_complete_after_a_replay(stack: LocalStack) -> None:
    """Every acknowledged batch is there, and every row that it promises."""
    lines = [json.dumps({"topic": "nowhere/x", "payload": {"n": number}}) for number in range(300)]
    (stack.home / "messages.jsonl").write_text("\n".join(lines))
    stack.command("replay", str(stack.home / "messages.jsonl"), "--wait-stored")
    found = json.loads(stack.command("ledger", "check", "--recount", "--json").stdout)
    assert found["complete"]
    assert int(found["recount"]["found_quarantined"]) == int(found["recount"]["ledger_quarantined"]) >= 300
    assert stack.status()["ledger"] == {"health": "SERVING", "missing": 0}


def test_a_loss_is_shown_until_it_is_found(stack: LocalStack) -> None:
    """By the check, by status, and by nothing else any more when it is over."""
    ask(
        stack,
        "INSERT INTO bridge.instance (boot_id, bridge_id, sequence, acknowledged_through)"
        f" VALUES ('{LIFE}', 'gone', 2, 2)",
    )
    stack.eventually(lambda: stack.status()["ledger"] == {"health": "NOT_SERVING", "missing": 2})
    assert "NOT_SERVING, 2 batches missing" in stack.command("status").stdout
    assert stack.command("ledger", "check", check=False).returncode == 1
    ask(
        stack,
        f"""INSERT INTO validator.ledger (batch_id, bridge_id, boot_id, sequence, acknowledged_through, node, items,
                stored, duplicate, conflict, quarantined, parked, counts)
            SELECT gen_random_uuid(), 'gone', '{LIFE}', number, 0, 'n', 0, 0, 0, 0, 0, 0, '{{}}'
            FROM generate_series(1, 2) number""",
    )
    stack.eventually(lambda: stack.status()["ledger"] == {"health": "SERVING", "missing": 0})


def test_another_validator_follows_a_frozen_leader(stack: LocalStack) -> None:
    """Fold and check go on under a higher epoch."""
    stack.eventually(lambda: ask(stack, "SELECT count(*) FROM validator.lease WHERE expires_at > now()") == 1)
    holder, epoch = ask(stack, "SELECT (holder, epoch) FROM validator.lease")
    name = holder.partition("/")[0]
    pid = stack.kill(name, signal.SIGSTOP)
    stack.eventually(lambda: ask(stack, "SELECT max(epoch) FROM validator.lease WHERE expires_at > now()") != epoch)
    stack.comes_back(name, pid)
    assert json.loads(stack.command("ledger", "check", "--json").stdout)["complete"]
