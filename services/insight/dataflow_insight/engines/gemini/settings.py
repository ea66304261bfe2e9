"""Settings of the gemini engine. The key is none of them: it comes from the environment only, and is kept nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from dataflow_mesh.settings import MeshSettings

from dataflow_insight.engines.gemini.budget import Budget
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.redaction import Policy

KEYS: Final = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""Variables that hold the key; the first one that is set counts, as with the provider's own client."""

_ENGINES: Final = ("auto", "local", "gemini")
_MOST: Final = 100_000
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiSettings(MeshSettings):
    """What the gemini engine needs; a base of the settings of insight."""

    engine: str = field(
        default="auto",
        metadata={
            "help": "Who answers questions: local, gemini (local where it fails), or auto: gemini where GEMINI_API_KEY or"
            " GOOGLE_API_KEY is in the environment."
        },
    )
    gemini_model: str = field(default="gemini-3.8-flash", metadata={"help": "Name of the model."})
    gemini_base_url: str = field(
        default="https://generativelanguage.googleapis.com",
        metadata={"help": "Where Gemini is; https, but for this machine."},
    )
    gemini_seconds: float = field(
        default=30.0, metadata={"help": "How long Gemini may take for an answer; then the local engine answers."}
    )
    gemini_first_seconds: float = field(
        default=15.0, metadata={"help": "Of these, until the first piece of each call to the model."}
    )
    gemini_chunk_seconds: float = field(default=10.0, metadata={"help": "Of these, between two pieces."})
    gemini_model_calls: int = field(default=8, metadata={"help": "Calls to the model for one answer."})
    gemini_output_tokens: int = field(
        default=8192, metadata={"help": "Tokens that the model may write in one call, thoughts included."}
    )
    gemini_tokens_per_minute: int = field(
        default=0, metadata={"help": "Tokens of this process in a minute, all kinds together; 0: no limit."}
    )
    gemini_tokens_per_day: int = field(default=0, metadata={"help": "The same in a day, UTC."})
    gemini_withhold: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Contracts and fields that Gemini must not know of, with * and ?, such as access,air.secret_*;"
            " questions that need them are answered by the local engine."
        },
    )
    gemini_device_aliases: bool = field(
        default=False, metadata={"help": "Call devices device_1, device_2 and so on towards Gemini."}
    )
    gemini_show_values: bool = field(
        default=True,
        metadata={
            "help": "Show the cells of results to Gemini; if not, it writes sentences around cells that it cannot see."
        },
    )
    gemini_sample_rows: int = field(
        default=0, metadata={"help": "Newest readings of one device of each contract that Gemini is shown, at most 5."}
    )

    def key(self, environ: Mapping[str, str]) -> str:
        """Returns the key where Gemini is to answer; nothing where it is not.

        Raises:
            ValueError: The engine is gemini, and there is no key.
        """
        key = next((value for name in KEYS if (value := environ.get(name, "").strip())), "")
        if self.engine == "gemini" and not key:
            raise ValueError(f"engine: gemini needs a key; set {' or '.join(reversed(KEYS))} in the environment")
        return "" if self.engine == "local" else key

    @property
    def gemini_limits(self) -> Limits:
        """Bounds of one answer."""
        return Limits(
            seconds=self.gemini_seconds,
            first_seconds=self.gemini_first_seconds,
            chunk_seconds=self.gemini_chunk_seconds,
            model_calls=self.gemini_model_calls,
            output_tokens=self.gemini_output_tokens,
        )

    @property
    def gemini_policy(self) -> Policy:
        """What leaves the house."""
        return Policy(
            aliases=self.gemini_device_aliases,
            withheld=self.gemini_withhold,
            values=self.gemini_show_values,
            sample_rows=self.gemini_sample_rows,
        )

    def gemini_budget(self) -> Budget:
        """Returns a new budget of tokens."""
        return Budget(per_minute=self.gemini_tokens_per_minute, per_day=self.gemini_tokens_per_day)

    def gemini_problems(self) -> list[str]:
        """Returns what is wrong with the values."""
        found = [] if self.engine in _ENGINES else [f"engine: {self.engine!r} is none of {', '.join(_ENGINES)}"]
        found += [
            f"{name}: {value} is not within 0 and {_MOST:,}"
            for name, value in (
                ("gemini_seconds", self.gemini_seconds),
                ("gemini_first_seconds", self.gemini_first_seconds),
                ("gemini_chunk_seconds", self.gemini_chunk_seconds),
                ("gemini_model_calls", self.gemini_model_calls),
                ("gemini_output_tokens", self.gemini_output_tokens),
            )
            if not 0 < value <= _MOST
        ]
        found += [
            f"{name}: {value} is below 0"
            for name, value in (
                ("gemini_tokens_per_minute", self.gemini_tokens_per_minute),
                ("gemini_tokens_per_day", self.gemini_tokens_per_day),
            )
            if value < 0
        ]
        if not 0 <= self.gemini_sample_rows <= 5:
            found.append(f"gemini_sample_rows: {self.gemini_sample_rows} is not within 0 and 5")
        if not self.gemini_model:
            found.append("gemini_model: missing")
        url = urlsplit(self.gemini_base_url)
        # The key goes there in a header: never readable on a network.
        if not url.hostname or (url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK)):
            found.append(f"gemini_base_url: {self.gemini_base_url!r} is not an https address")
        if url.username or url.password or url.query:
            found.append("gemini_base_url: holds more than scheme, host and path")
        return found
