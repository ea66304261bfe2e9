"""The contracts that DataFlow brings along, and the tables that contracts are given."""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
import pytest
from dataflow_validator.catalog.builtin import DEVICE_CONNECTION, DEVICE_CONNECTION_TOPIC
from dataflow_validator.catalog.routes import implied_device_rule
from dataflow_validator.contracts import Accepted, Arrival, FieldSpec, FieldType, Refused, compile_contract
from dataflow_validator.contracts.names import column_of
from dataflow_validator.readings.table import create_table_statements, readings_table_name

_EVENT = {
    "device_id": "d1",
    "client_id": "c1",
    "event": "connected",
    "reason": "",
    "protocol": "mqtt5",
    "peer": "127.0.0.1:1234",
    "ts": "2024-05-01T12:00:00.123456+00:00",
}


def judged(event: Mapping[str, object]) -> Accepted | Refused:
    """Judges an event as a validator does."""
    arrival = Arrival(
        DEVICE_CONNECTION_TOPIC,
        None,
        orjson.dumps(event),
        datetime(2024, 5, 1, 13, tzinfo=UTC),
        None,
        False,
        b"\0" * 16,
        0,
    )
    rule = implied_device_rule(DEVICE_CONNECTION_TOPIC, DEVICE_CONNECTION)
    (outcome,) = compile_contract(DEVICE_CONNECTION, 1).judge(arrival, rule)
    return outcome


def test_what_a_bridge_tells_of_a_connection_is_a_reading() -> None:
    """Its device is the one in the payload, its time the one of the bridge."""
    outcome = judged(_EVENT)
    assert isinstance(outcome, Accepted)
    assert outcome.row[:2] == ("d1", datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC))


@pytest.mark.parametrize("missing", ["client_id", "reason", "protocol", "peer"])
def test_only_device_event_and_time_are_needed(missing: str) -> None:
    """A bridge of another version may tell less, or more."""
    event = {**_EVENT, "new": 1}
    del event[missing]
    assert isinstance(judged(event), Accepted)
    assert isinstance(judged({**_EVENT, missing: None}), Accepted)


@pytest.mark.parametrize("missing", ["device_id", "event", "ts"])
def test_an_event_without_what_makes_it_one_is_refused(missing: str) -> None:
    """It goes to quarantine as any other item."""
    event = dict(_EVENT)
    del event[missing]
    assert isinstance(judged(event), Refused)


def test_names_of_columns_are_always_quoted() -> None:
    """A field may be called as it likes: its name is never SQL."""
    fields = [
        FieldSpec('x" int); DROP TABLE validator.contract; --', FieldType.NUMBER),
        FieldSpec("select", FieldType.STRING),
    ]
    table = next(create_table_statements("order", [column_of(field) for field in fields]))
    assert 'CREATE TABLE readings."order"' in table
    assert "DROP TABLE" not in table
    assert '    "select" text,' in table
    assert readings_table_name("order") == 'readings."order"'
