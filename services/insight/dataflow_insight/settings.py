"""Settings of the insight process."""

from dataclasses import dataclass, field
from typing import ClassVar

from dataflow_mesh.settings import MeshSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightSettings(MeshSettings):
    """What `python -m dataflow_insight` needs, beside what every process needs."""

    table: ClassVar[str] = "insight"

    insight_id: str = field(default="insight-1", metadata={"help": "Names this process in logs and metrics."})
    read_dsn: str = field(
        default="",
        metadata={
            "help": "postgresql:// address of a login that is, or may become, dataflow_reader; empty: postgres_dsn.",
            "secret": True,
        },
        repr=False,
    )
    statement_seconds: float = field(default=5.0, metadata={"help": "After how long a query is ended."})
    max_query_cost: float = field(
        default=50_000_000.0, metadata={"help": "Highest cost that the planner of Postgres may expect of a query."}
    )
    catalogue_seconds: float = field(
        default=5.0, metadata={"help": "How long contracts, fields and devices are taken as read."}
    )
    read_connections: int = field(default=4, metadata={"help": "Queries that may run at a time."})

    @property
    def reading_dsn(self) -> str:
        """Where readings are read."""
        return self.read_dsn or self.postgres_dsn

    def problems(self) -> list[str]:
        """Returns what is wrong with the values together."""
        found = MeshSettings.problems(self)
        if not self.reading_dsn:
            found.append("read_dsn: missing; give --read-dsn or DATAFLOW_READ_DSN (or postgres_dsn)")
        if self.token_file is None:
            found.append("token_file: missing; give --token-file or DATAFLOW_TOKEN_FILE")
        for name, value in (
            ("statement_seconds", self.statement_seconds),
            ("max_query_cost", self.max_query_cost),
            ("read_connections", self.read_connections),
        ):
            if not value > 0:
                found.append(f"{name}: {value} is not above 0")
        if self.catalogue_seconds < 0:
            found.append(f"catalogue_seconds: {self.catalogue_seconds} is below 0")
        return found
