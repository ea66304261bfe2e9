"""The survey over real tables: many devices, several paces, no readings."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib import resources

import asyncpg
import pytest
from dataflow_insight.catalogue import survey as survey_module
from dataflow_insight.catalogue.survey import Survey
from dataflow_insight.postgres import Reader

pytestmark = pytest.mark.postgres


@pytest.fixture
async def reader(postgres: str) -> AsyncIterator[Reader]:
    """Gives a reader of a database with the contracts `many` (12 devices), `uneven` and `empty`."""
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute("CREATE SCHEMA validator")
        folder = resources.files("dataflow_validator") / "migrations"
        for migration in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if migration.name.endswith(".sql"):
                await connection.execute(migration.read_text())
        for name in ("many", "uneven", "empty"):
            await connection.execute(
                "INSERT INTO validator.contract (name, active_revision, latest_revision) VALUES ($1, 1, 1)", name
            )
            spec = '{"fields": [{"name": "temp", "type": "number"}]}'
            await connection.execute("INSERT INTO validator.revision VALUES ($1, 1, $2)", name, spec)
            await connection.execute(
                f'CREATE TABLE readings.{name} (device_id text COLLATE "C", event_time timestamptz, message_id uuid, '
                "temp double precision, PRIMARY KEY (device_id, event_time, message_id))"
            )
        await connection.execute(
            "INSERT INTO readings.many SELECT 'device-' || to_char(d, 'FM00'), '2024-01-01'::timestamptz + h * interval '1 hour',"
            " gen_random_uuid(), h FROM generate_series(1, 12) d, generate_series(0, 47) h"
        )
        await connection.execute(
            "INSERT INTO readings.uneven SELECT 'one', '2024-01-01'::timestamptz + (h * h) * interval '1 minute',"
            " gen_random_uuid(), h FROM generate_series(0, 47) h"
        )
    finally:
        await connection.close()
    async with Reader.open(postgres) as opened:
        yield opened


async def test_survey_finds_devices_time_and_pace(reader: Reader) -> None:
    """Devices, first and last event time, and the pace of readings are those of the table."""
    catalogue = await Survey(reader).catalogue("")
    many, uneven, empty = (catalogue.contract_named(name) for name in ("many", "uneven", "empty"))
    assert many is not None
    assert uneven is not None
    assert empty is not None
    assert many.devices == tuple(f"device-{number:02d}" for number in range(1, 13))
    assert many.first_time == datetime(2024, 1, 1, tzinfo=UTC)
    assert many.last_time == datetime(2024, 1, 2, 23, tzinfo=UTC)
    assert many.cadence == timedelta(hours=1)
    assert uneven.cadence is None
    assert empty.devices == ()
    assert empty.first_time is None


async def test_a_device_beyond_the_limit_is_found_when_it_is_spelled(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more devices than are read, one that the question spells exactly is known all the same."""
    monkeypatch.setattr(survey_module, "MAX_DEVICES", 3)
    survey = Survey(reader)
    many = (await survey.catalogue("")).contract_named("many")
    assert many is not None
    assert many.devices == ("device-01", "device-02", "device-03")
    assert not many.devices_complete
    many = (await survey.catalogue("average temp of device-11?")).contract_named("many")
    assert many is not None
    assert many.devices[-1] == "device-11"
    assert "device11" in many.device_keys
