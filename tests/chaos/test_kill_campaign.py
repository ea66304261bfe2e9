"""Processes are killed while devices publish with every kind of message id; afterwards every acknowledged item is found.

The long form is `python -m tests.chaos.kill_campaign`. What proves that its check can fail is here too: each test below
the first spoils the tables in a transaction that is rolled back, and the check must name what was spoiled.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import pytest
from dataflow_stack.testing import LocalStack

from tests.chaos.campaign_check import Findings, reconcile
from tests.chaos.kill_campaign import Plan, Report, run_campaign

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

PLAN = Plan(seed=20_260_801, kills=1, rate=400, most_pause_seconds=1.5)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What the campaign left."""

    report: Report
    postgres: str


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    """Run one campaign for all tests of this module; its stack stays up for them."""
    with LocalStack.running() as stack:
        yield Campaign(asyncio.run(run_campaign(stack, PLAN)), stack.status()["postgres"])


def test_killing_every_kind_of_process_loses_nothing_and_stores_nothing_twice(campaign: Campaign) -> None:
    """Acknowledged items are rows, duplicates, conflicts or quarantined, once each."""
    report = campaign.report
    assert sum(report.broken.values()) == PLAN.kills * len(PLAN.targets)
    assert not report.violations, json.dumps(report.document(), indent=2)


def test_the_campaign_published_every_kind_of_item(campaign: Campaign) -> None:
    """A campaign without conflicts or duplicates would prove less than it says."""
    counts = campaign.report.findings.counts
    assert counts["ledger"]["duplicate"] > 0
    assert set(counts["found"]) == {"kill_a", "kill_b", "kill_b_timeless", "kill_c", "kill_d"}
    assert all({"row", "refused", "unrouted"} <= found.keys() for found in counts["found"].values())
    assert all(counts["found"][contract]["conflict"] for contract in ("kill_a", "kill_b", "kill_b_timeless"))


_TWIN = """
INSERT INTO readings.kill_{contract} (device_id, event_time, receive_time, message_id, content_hash, revision, n)
SELECT device_id, event_time, receive_time, gen_random_uuid(), content_hash, revision, n
FROM readings.kill_{contract} WHERE {condition} LIMIT 1
"""
_QUARANTINE_TWIN = """
INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, receive_time,
    message_id, id_kind, content_hash, batch_id, position)
SELECT contract, revision, kind, device_id, topic, payload, element, reasons, receive_time, gen_random_uuid(), id_kind,
    content_hash, batch_id, position
FROM validator.quarantine WHERE contract = 'kill_a' AND kind = 'REFUSED' LIMIT 1
"""
_UNCONTESTED = """
DELETE FROM readings.kill_a WHERE seq IN (
    SELECT (convert_from(payload, 'UTF8')::jsonb ->> 'seq')::bigint FROM validator.quarantine
    WHERE contract = 'kill_a' AND kind = 'CONFLICT')
"""


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            "DELETE FROM readings.kill_a WHERE n = (SELECT min(n) FROM readings.kill_a)",
            "lost: acknowledged, and nowhere",
        ),
        (
            "DELETE FROM validator.quarantine WHERE contract = 'kill_c'",
            "lost: acknowledged, and nowhere",
        ),
        (_TWIN.format(contract="a", condition="true"), "twice: of a kind that is recognised"),
        (_TWIN.format(contract="b", condition="true"), "twice: of a kind that is recognised"),
        (_TWIN.format(contract="b_timeless", condition="true"), "twice: of a kind that is recognised"),
        (_TWIN.format(contract="c", condition="true"), "twice: of a kind that is recognised"),
        (_QUARANTINE_TWIN, "twice: of a kind that is recognised"),
        (
            _TWIN.format(contract="d", condition="NOT maybe_duplicate"),
            "twice: extra rows that are not marked maybe_duplicate",
        ),
        (
            _TWIN.format(contract="d", condition="NOT maybe_duplicate"),
            "twice: more often than it was sent again",
        ),
        ("UPDATE readings.kill_d SET maybe_duplicate = true", "marked maybe_duplicate, and never sent again"),
        (
            "UPDATE readings.kill_b SET n = -n WHERE n = (SELECT min(n) FROM readings.kill_b)",
            "foreign: stored, and never sent",
        ),
        ("UPDATE validator.quarantine SET kind = 'UNSTORABLE' WHERE kind = 'REFUSED'", "wrong place"),
        (
            "UPDATE validator.quarantine SET id_kind = 'd' WHERE contract = 'kill_b'",
            "wrong kind of message id in quarantine",
        ),
        (
            _UNCONTESTED,
            "contested: not exactly one row",
        ),
        ("UPDATE validator.ledger SET stored = stored + 1", "ledger: sums of a batch do not agree"),
        ("DELETE FROM validator.raw_log", "ledger: not one line and one log for each batch"),
        ("DELETE FROM validator.ledger", "ledger: fewer items than were acknowledged, or more than were sent"),
        ("DELETE FROM validator.ledger WHERE stored > 0", "ledger: counts other than what is there"),
        ("DELETE FROM validator.batch WHERE sequence = 1", "ledger: a line without its batch"),
        ("DELETE FROM validator.batch WHERE sequence = 1", "sequence: acknowledged by its bridge, never committed"),
        (
            "INSERT INTO validator.parked (batch_id, node, reason, bytes) VALUES (gen_random_uuid(), 'redis-0', '', '')",
            "parked: though nothing is wrong with it",
        ),
        (
            "INSERT INTO validator.suspect (batch_id, lone_deaths) VALUES (gen_random_uuid(), 1000)",
            "suspect: more lone deaths than deaths",
        ),
    ],
)
async def test_the_check_names_what_is_spoiled(campaign: Campaign, spoil: str, named: str) -> None:
    """Tables that were tampered with do not pass."""
    findings = await _spoiled(campaign, spoil)
    assert named in findings.violations


async def _spoiled(campaign: Campaign, statement: str) -> Findings:
    connection = await asyncpg.connect(campaign.postgres)
    try:
        transaction = connection.transaction()
        await transaction.start()
        done = await connection.execute(statement)
        assert not done.endswith(" 0"), f"nothing was spoiled: {done}"
        findings = await reconcile(connection, campaign.report.journal, deaths=campaign.report.deaths)
        await transaction.rollback()
        return findings
    finally:
        await connection.close()
