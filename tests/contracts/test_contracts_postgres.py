"""Whatever judging accepts, Postgres stores: nothing that SQL refuses gets as far as SQL."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    Coercion,
    CompiledContract,
    ContractSpec,
    DeviceRule,
    FieldSpec,
    FieldType,
    UnknownFields,
    compile_contract,
    quote_identifier,
)

pytestmark = pytest.mark.postgres

NAMES = ["device_id", "xmin", "Temp °C", 'say "x"', "a.b", "/deep/0/x", "x" * 80, "'; DROP TABLE t", "%s $1", ""]
VALUES = [
    *(None, True, 0, -1, 1.5, -0.0, 1e300, 5e-324, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, -(10**300)),
    *(
        "",
        "x",
        "é\u2028😀",
        "\0",
        "\ud800",
        "a\\u0000",
        "12.5",
        "true",
        "AP8=",
        "2025-12-31T10:00:00Z",
        "0001-01-01T00:00:00Z",
    ),
    *(
        "9999-12-31T23:59:59.999999Z",
        "2016-12-31T23:59:60Z",
        [],
        {},
        [1, "\0"],
        {"\0": 1},
        [{"x": 10**40}],
        {"a": [1e16]},
    ),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


def contract() -> CompiledContract:
    typed = [FieldSpec(f"f_{kind}", kind, required=False, nullable=True) for kind in FieldType]
    named = [FieldSpec(name or "/", FieldType.JSON, required=False) for name in NAMES]
    wide = FieldSpec("wide", FieldType.INTEGER, required=False, min=-(10**300), max=10**300)
    return compile_contract(
        ContractSpec("all", (*typed, *named, wide), unknown=UnknownFields.KEEP, coerce=Coercion.LOSSLESS), 1
    )


def accepted_rows(judging: CompiledContract, count: int) -> list[tuple[object, ...]]:
    chance = random.Random(20260101)
    keys = [field.name for field in judging.spec.fields if not field.name.startswith("/")] + ["more", "", "deep"]
    rule = DeviceRule.parse("payload:/id")
    rows: list[tuple[object, ...]] = []
    position = 0
    while len(rows) < count:
        position += 1
        item: dict[str, object] = {chance.choice(keys): chance.choice(VALUES) for _ in range(chance.randrange(4))}
        item["id"] = chance.choice(["dev", "é😀", 7, "x" * 512, "'\""])
        arrival = Arrival(
            "t", None, json.dumps(item).encode(), datetime(2026, 1, 1, tzinfo=UTC), None, True, bytes(16), position
        )
        rows.extend(outcome.row for outcome in judging.judge(arrival, rule) if isinstance(outcome, Accepted))
    return rows


async def test_every_accepted_row_is_stored_as_it_is(cluster: PostgresCluster) -> None:
    """Hostile names and values of every type, many rows in one INSERT from arrays."""
    judging = contract()
    rows = accepted_rows(judging, 3000)
    envelope = ["text", "timestamptz", "timestamptz", "uuid", "bigint", "boolean"]
    types = [*envelope, *(column.sql_type for column in judging.columns), "jsonb"]
    names = (
        [f"e{index}" for index in range(6)] + [quote_identifier(column.name) for column in judging.columns] + ["extra"]
    )
    connection = await asyncpg.connect(cluster.dsn)
    try:
        definitions = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        await connection.execute(f"CREATE TEMP TABLE judged ({definitions}, sent bigint)")
        arrays = ", ".join(f"${index + 1}::{kind}[]" for index, kind in enumerate(types))
        await connection.execute(
            f"INSERT INTO judged SELECT * FROM unnest({arrays}) WITH ORDINALITY", *zip(*rows, strict=True)
        )
        stored = await connection.fetch("SELECT * FROM judged ORDER BY sent")
    finally:
        await connection.close()
    jsonb = [index for index, kind in enumerate(types) if kind == "jsonb"]
    assert len(stored) == len(rows)
    for sent, found in zip(rows, stored, strict=True):
        for index, (before, after) in enumerate(zip(sent, found.values(), strict=False)):
            if index in jsonb and before is not None:
                assert json.loads(str(before)) == json.loads(after)
            elif types[index] == "double precision" and isinstance(before, int):
                assert float(before) == after
            else:
                assert before == after
