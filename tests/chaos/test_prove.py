"""Everything breaks while everybody publishes; afterwards every acknowledged item is found, once.

The long form is `make prove`. What proves that its check can fail is here too: each test below the first ones spoils the
tables in a transaction that is rolled back, and the check must name what was spoiled. `test_prove_mutants.py` does the
same to the services.
"""

import asyncio
import json
from collections.abc import Iterator

import asyncpg
import pytest
from dataflow_stack.testing import LocalStack

from tests.chaos.prove.campaign import Outcome, run_campaign
from tests.chaos.prove.checker import Findings, reconcile
from tests.chaos.prove.plan import FAULTS, Plan

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

_FEW = (
    "kill bridge",
    "kill validator",
    "kill redis",
    "freeze leader",
    "cut clients",
    "cut node",
    "wipe",
    "drain node",
    "edit contract",
    "end broker",
)
PLAN = Plan(
    seed=20_260_801,
    faults=len(_FEW),
    messages=8_000,
    rate=500,
    pause_seconds=1.5,
    weights={name: FAULTS[name] for name in _FEW},
    most_seconds=180,
)


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """Run a stack with two bridges for all tests of this module."""
    with LocalStack.running(("--no-fleet", "--bridges", "2")) as running:
        yield running


@pytest.fixture(scope="module")
def outcome(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run one campaign for all tests of this module."""
    return asyncio.run(run_campaign(stack, PLAN, tmp_path_factory.mktemp("journal")))


def test_breaking_everything_loses_nothing_and_stores_nothing_twice(outcome: Outcome) -> None:
    """Acknowledged items are rows, duplicates, conflicts or quarantined, once each."""
    report = outcome.report
    left_out = {reason.partition(":")[0] for reason in report.history.skipped}
    assert set(report.history.counts()) | left_out >= set(PLAN.weights)
    assert not report.violations, json.dumps(report.document(), indent=2)


def test_the_campaign_published_every_kind_of_item(outcome: Outcome) -> None:
    """A campaign without conflicts or duplicates would prove less than it says."""
    counts = outcome.report.findings.counts
    assert counts["ledger"]["duplicate"] > 0
    assert counts["ledger_samples"]["answered"] > 0
    assert {"mqtt", "grpc", "stream"} <= counts["acknowledged_by"].keys()
    assert set(counts["found"]) == {"prove_a", "prove_b", "prove_b_timeless", "prove_c", "prove_d"}
    assert all({"row", "refused", "unrouted"} <= found.keys() for found in counts["found"].values())
    assert all(counts["found"][contract]["conflict"] for contract in ("prove_a", "prove_b", "prove_b_timeless"))


_TWIN = """
INSERT INTO readings.prove_{contract} (device_id, event_time, receive_time, message_id, content_hash, revision, n)
SELECT device_id, event_time, receive_time, gen_random_uuid(), content_hash, revision, n
FROM readings.prove_{contract} WHERE {condition} LIMIT 1
"""
_QUARANTINE_TWIN = """
INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, receive_time,
    message_id, id_kind, content_hash, batch_id, position)
SELECT contract, revision, kind, device_id, topic, payload, element, reasons, receive_time, gen_random_uuid(), id_kind,
    content_hash, batch_id, position
FROM validator.quarantine WHERE contract = 'prove_a' AND kind = 'REFUSED' LIMIT 1
"""
_UNCONTESTED = """
DELETE FROM readings.prove_a WHERE seq IN (
    SELECT (convert_from(payload, 'UTF8')::jsonb ->> 'seq')::bigint FROM validator.quarantine
    WHERE contract = 'prove_a' AND kind = 'CONFLICT')
"""


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            "DELETE FROM readings.prove_a WHERE n = (SELECT min(n) FROM readings.prove_a)",
            "lost: acknowledged, and nowhere",
        ),
        (
            "DELETE FROM validator.quarantine WHERE contract = 'prove_c'",
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
            _TWIN.format(contract="d", condition="NOT maybe_duplicate AND device_id LIKE 'mqtt-%'"),
            "twice: more often than it was sent again",
        ),
        ("UPDATE readings.prove_d SET maybe_duplicate = true", "marked maybe_duplicate, and never sent again"),
        (
            "UPDATE readings.prove_b SET n = -n WHERE n = (SELECT min(n) FROM readings.prove_b)",
            "foreign: stored, and never sent",
        ),
        ("UPDATE validator.quarantine SET kind = 'UNSTORABLE' WHERE kind = 'REFUSED'", "wrong place"),
        (
            "UPDATE validator.quarantine SET id_kind = 'd' WHERE contract = 'prove_b'",
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
async def test_the_check_names_what_is_spoiled(stack: LocalStack, outcome: Outcome, spoil: str, named: str) -> None:
    """Tables that were tampered with do not pass."""
    findings = await _spoiled(stack, outcome, spoil)
    assert named in findings.violations


async def _spoiled(stack: LocalStack, outcome: Outcome, statement: str) -> Findings:
    connection = await asyncpg.connect(stack.status()["postgres"])
    try:
        transaction = connection.transaction()
        await transaction.start()
        done = await connection.execute(statement)
        assert not done.endswith(" 0"), f"nothing was spoiled: {done}"
        findings = await reconcile(connection, outcome.journal, deaths=outcome.deaths)
        await transaction.rollback()
        return findings
    finally:
        await connection.close()
