"""Who is in the way of new columns: a person's open transaction, pages of readings without end, and exports."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta

import asyncpg
from dataflow.validator.v1 import reading_pb2
from dataflow_client import AsyncClient
from dataflow_client.errors import DataflowError

from tests.benchmarks.contract_edits.rules import CONTRACT


class Readers:
    """Reads all the time.

    Attributes:
        readings: Readings that were listed.
        exports: Files of readings that were written.
        transactions: Transactions that were held open.
        failed: Reads that failed.
    """

    def __init__(self) -> None:
        self.readings = 0
        self.exports = 0
        self.transactions = 0
        self.failed: list[str] = []

    async def hold(self, dsn: str, seconds: float) -> None:
        """Opens transaction after transaction, reads the table in each, and leaves it open as a person does in psql."""
        # psql prepares nothing either: a prepared SELECT * of an open transaction does not survive a new column.
        connection = await asyncpg.connect(dsn, server_settings={"application_name": "psql"}, statement_cache_size=0)
        try:
            while True:
                async with connection.transaction():
                    await connection.fetch(f'SELECT * FROM readings."{CONTRACT}" LIMIT 1000')
                    await asyncio.sleep(seconds)
                self.transactions += 1
                await asyncio.sleep(seconds / 3)
        finally:
            await connection.close(timeout=5)

    async def page(self, client: AsyncClient) -> None:
        """Lists readings from the oldest on, page after page."""
        wanted = reading_pb2.ReadingFilter(contract=CONTRACT)
        while True:
            try:
                async for _ in client.readings.list(wanted, page_size=500):
                    self.readings += 1
                    if self.readings % 500 == 0:
                        await asyncio.sleep(0.05)
            except DataflowError as error:
                self.failed.append(f"ListReadings: {error}")
                await asyncio.sleep(0.5)

    async def export(self, client: AsyncClient) -> None:
        """Exports the newest readings as CSV, again and again."""
        while True:
            wanted = reading_pb2.ReadingFilter(contract=CONTRACT)
            wanted.start_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=10))
            try:
                await client.readings.export(wanted, io.BytesIO())
                self.exports += 1
            except DataflowError as error:
                self.failed.append(f"ExportReadings: {error}")
            await asyncio.sleep(1.0)
