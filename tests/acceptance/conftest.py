"""What acceptance tests look with: the database and the processes of the stack, never the code of the services."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from dataflow_stack.testing import LocalStack

Rows = list[tuple[Any, ...]]


class Books:
    """What the database says about the items of a stack, counted by SQL of our own.

    Args:
        dsn: Of the stack's database.
    """

    COUNTS = ("items", "stored", "duplicate", "conflict", "quarantined", "parked")
    """The columns of the ledger that count items."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def rows(self, sql: str, *arguments: object) -> Rows:
        """Runs one statement and returns its rows."""

        async def run() -> Rows:
            connection = await asyncpg.connect(self._dsn)
            try:
                return [tuple(row) for row in await connection.fetch(sql, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(run())

    def count(self, sql: str, *arguments: object) -> int:
        """Runs one statement and returns its first number; none counts as 0."""
        found = self.rows(sql, *arguments)
        return int(found[0][0] or 0) if found else 0

    def readings(self, contract: str) -> int:
        """Returns the rows of a contract's table."""
        return self.count(f'SELECT count(*) FROM readings."{contract}"')

    def quarantined(self, contract: str) -> dict[str, int]:
        """Returns what lies in quarantine for a contract, by kind."""
        sql = "SELECT kind, count(*) FROM validator.quarantine WHERE contract = $1 GROUP BY 1"
        return dict(self.rows(sql, contract))

    def judged(self, contract: str) -> dict[str, int]:
        """Returns the ledger's sums for a contract: stored, duplicate, conflict, quarantined."""
        sql = """
            SELECT outcome.key, sum(device.value::bigint)::bigint
            FROM validator.ledger, jsonb_each(counts -> $1) AS outcome, jsonb_each_text(outcome.value) AS device
            GROUP BY 1"""
        return {outcome: int(items) for outcome, items in self.rows(sql, contract)}

    def sums(self) -> dict[str, int]:
        """Returns the ledger's sums over everything."""
        columns = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in self.COUNTS)
        [row] = self.rows(f"SELECT {columns} FROM validator.ledger")
        return dict(zip(self.COUNTS, row, strict=True))

    def tables(self) -> int:
        """Returns the rows of all tables of readings together, each counted."""
        names = self.rows("SELECT name FROM validator.contract WHERE active_revision > 0")
        return sum(self.readings(name) for (name,) in names)

    def quarantine(self) -> dict[str, int]:
        """Returns what lies in quarantine, by kind."""
        return dict(self.rows("SELECT kind, count(*) FROM validator.quarantine GROUP BY 1"))


@pytest.fixture(scope="session")
def hostile() -> Path:
    """Gives the folder of hostile cases: all of them when they are at hand, else the samples that come with the tests."""
    tests = Path(__file__).parents[1]
    folder = Path(os.environ.get("DATAFLOW_CASES", tests.parents[1] / "shared" / "cases"))
    return (folder if folder.is_dir() else tests / "contracts" / "samples") / "hostile"


@pytest.fixture(scope="module")
def books(stack: LocalStack) -> Books:
    """Gives the books of the module's stack."""
    return Books(stack.status()["postgres"])


@pytest.fixture(scope="module")
def admin_token(stack: LocalStack) -> str:
    """Gives the token that the first `up` wrote."""
    return Path(stack.status()["token_file"]).read_text(encoding="utf-8").strip()


@pytest.fixture(scope="module")
def mqtt(stack: LocalStack) -> tuple[str, int]:
    """Gives host and port of the MQTT listener."""
    host, port = stack.status()["mqtt"].rsplit(":", 1)
    return host, int(port)


@pytest.fixture(scope="module")
def make_contract(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Gives a maker of active contracts with one route each, through the command."""

    def make(
        name: str, document: str, topic_filter: str, *flags: str, given_as: str = "--fields", device: str = ""
    ) -> None:
        path = tmp_path_factory.mktemp("contracts") / f"{name}.json"
        path.write_text(document, encoding="utf-8")
        stack.command("contract", "create", name, given_as, str(path), *flags, "--activate")
        rule = ("--device", device) if device else ()
        stack.command("route", "create", topic_filter, "--contract", name, *rule)

    return make
