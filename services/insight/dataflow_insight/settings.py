"""Settings of the insight process."""

from dataclasses import dataclass, field
from typing import ClassVar

from dataflow_mesh.settings import MeshSettings

from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.conversations.conversation import ConversationLimits
from dataflow_insight.engines.gemini.settings import GeminiSettings
from dataflow_insight.queries.budget import CallerBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightSettings(GeminiSettings):
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
    answer_seconds: float = field(default=60.0, metadata={"help": "How long an answer may take, over all engines."})
    answer_queries: int = field(default=12, metadata={"help": "Queries that an engine may run for one answer."})
    asks_per_caller: int = field(
        default=64, metadata={"help": "Answers that a caller may have in the making at a time."}
    )
    caller_cost: float = field(
        default=100_000_000.0,
        metadata={"help": "Cost of queries that a caller may spend at once, in the units of Postgres's planner."},
    )
    caller_cost_per_second: float = field(
        default=2_000_000.0, metadata={"help": "How much of it comes back in a second."}
    )
    conversation_days: float = field(
        default=30.0, metadata={"help": "Days that a conversation is kept after its latest answer."}
    )
    conversation_turns: int = field(default=100, metadata={"help": "Questions of one conversation."})
    conversations_per_caller: int = field(
        default=100,
        metadata={"help": "Conversations of one caller; the one that rested longest makes room for a new one."},
    )

    @property
    def reading_dsn(self) -> str:
        """Where readings are read."""
        return self.read_dsn or self.postgres_dsn

    @property
    def ask_limits(self) -> AskLimits:
        """Bounds of an answer and of a caller."""
        return AskLimits(
            queries=self.answer_queries,
            steps=2 * self.answer_queries,
            answer_seconds=self.answer_seconds,
            reserved_seconds=self.answer_seconds / 4,
            asks_per_caller=self.asks_per_caller,
        )

    def caller_budget(self) -> CallerBudget:
        """Returns a new budget of query cost, for all callers of the process."""
        # Answers are few enough by caller; their queries wait for a connection rather than fail.
        queries = 2 * self.asks_per_caller
        return CallerBudget(burst=self.caller_cost, per_second=self.caller_cost_per_second, queries=queries)

    @property
    def conversation_limits(self) -> ConversationLimits:
        """Bounds of what is kept."""
        return ConversationLimits(
            days=self.conversation_days,
            turns=self.conversation_turns,
            per_caller=self.conversations_per_caller,
        )

    def problems(self) -> list[str]:
        """Returns what is wrong with the values together."""
        found = MeshSettings.problems(self) + self.gemini_problems()
        if not self.reading_dsn:
            found.append("read_dsn: missing; give --read-dsn or DATAFLOW_READ_DSN (or postgres_dsn)")
        if self.token_file is None:
            found.append("token_file: missing; give --token-file or DATAFLOW_TOKEN_FILE")
        for name, value in (
            ("statement_seconds", self.statement_seconds),
            ("max_query_cost", self.max_query_cost),
            ("read_connections", self.read_connections),
            ("answer_seconds", self.answer_seconds),
            ("answer_queries", self.answer_queries),
            ("asks_per_caller", self.asks_per_caller),
            ("caller_cost", self.caller_cost),
            ("caller_cost_per_second", self.caller_cost_per_second),
            ("conversation_days", self.conversation_days),
            ("conversation_turns", self.conversation_turns),
            ("conversations_per_caller", self.conversations_per_caller),
        ):
            if not value > 0:
                found.append(f"{name}: {value} is not above 0")
        if self.catalogue_seconds < 0:
            found.append(f"catalogue_seconds: {self.catalogue_seconds} is below 0")
        return found
