"""The table of a contract: `readings."<name>"`, its columns, its indexes, its DEFAULT partition."""

from collections.abc import Iterator, Sequence

from dataflow_validator.contracts.names import Column, quote_identifier


def readings_table_name(contract: str) -> str:
    """Returns the qualified, quoted name of a contract's table."""
    return f"readings.{quote_identifier(contract)}"


def create_table_statements(contract: str, columns: Sequence[Column]) -> Iterator[str]:
    """Yields the statements that make a contract's table, its DEFAULT partition included.

    Indexes and partitions have a colon in their names, which no contract's name has: they share a namespace.

    The primary key serves one device's range and latest reading. The index on the event time serves ranges and pages over
    all devices (measured: 0.08 CPU seconds per 100,000 rows more). Readers that follow a cursor look at the rows of the
    newest transactions: BRIN costs nothing measurable and needs an expression, since xid8 has no operator class for it. It
    is summarised by vacuum: with autosummarize the queue of requests overflows at our rates, and the server's log with it.
    Storage parameters stay at their defaults: Postgres vacuums insert-only tables by itself.

    Args:
        contract: Its name.
        columns: The columns of its fields, in order.
    """
    table = readings_table_name(contract)
    fields = "".join(f"    {quote_identifier(column.name)} {column.sql_type},\n" for column in columns)
    yield (
        f"CREATE TABLE {table} (\n"
        '    device_id text COLLATE "C" NOT NULL,\n'
        "    event_time timestamptz NOT NULL,\n"
        "    receive_time timestamptz NOT NULL,\n"
        "    message_id uuid NOT NULL,\n"
        "    content_hash bigint NOT NULL,\n"
        "    revision integer NOT NULL,\n"
        "    stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),\n"
        "    maybe_duplicate boolean NOT NULL DEFAULT false,\n"
        f"{fields}"
        "    extra jsonb,\n"
        f"    CONSTRAINT {quote_identifier(f'{contract}:key')} PRIMARY KEY (device_id, event_time, message_id)\n"
        ") PARTITION BY RANGE (event_time)"
    )
    stored_xid, event_time = quote_identifier(f"{contract}:stored_xid"), quote_identifier(f"{contract}:event_time")
    yield f"CREATE INDEX {stored_xid} ON {table} USING brin (((stored_xid::text)::bigint))"
    yield f"CREATE INDEX {event_time} ON {table} (event_time)"
    default = quote_identifier(f"{contract}:default")
    yield f"CREATE TABLE readings.{default} PARTITION OF {table} DEFAULT"
    yield f"GRANT SELECT ON {table} TO dataflow_reader"
