"""`.env.example` lists every setting."""

from pathlib import Path

from dataflow_stack.env_example import text

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_env_example_is_what_the_settings_say() -> None:
    """The committed file is the one that `make generate` writes."""
    assert EXAMPLE.read_text(encoding="utf-8") == text()
