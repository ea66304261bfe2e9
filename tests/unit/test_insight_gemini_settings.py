"""Settings of the gemini engine: who answers, where the key comes from, and what is refused at the start."""

import dataclasses
import subprocess
import sys

import pytest
from dataflow_insight.engines.gemini.redaction import Policy
from dataflow_insight.settings import InsightSettings
from dataflow_mesh.settings import SettingsError, commented_defaults, parse

KEY = "AIza-a-key"
NEEDED = {"DATAFLOW_READ_DSN": "postgresql://reader@127.0.0.1/x", "DATAFLOW_TOKEN_FILE": "/nowhere"}


def settings(**environ: str) -> InsightSettings:
    """Return settings from variables without their prefix."""
    return parse(InsightSettings, [], {**NEEDED, **{f"DATAFLOW_{name}": value for name, value in environ.items()}})


@pytest.mark.parametrize(
    ("engine", "environ", "key"),
    [
        ("auto", {}, ""),
        ("auto", {"GEMINI_API_KEY": " "}, ""),
        ("auto", {"GEMINI_API_KEY": KEY}, KEY),
        ("auto", {"GOOGLE_API_KEY": KEY}, KEY),
        ("auto", {"GOOGLE_API_KEY": KEY, "GEMINI_API_KEY": "other"}, KEY),
        ("gemini", {"GEMINI_API_KEY": f" {KEY}\n"}, KEY),
        ("local", {"GEMINI_API_KEY": KEY}, ""),
    ],
)
def test_the_key_comes_from_the_environment_alone(engine: str, environ: dict[str, str], key: str) -> None:
    """`auto` asks Gemini where there is a key, `local` never does."""
    assert settings(ENGINE=engine).key(environ) == key


def test_gemini_without_a_key_does_not_start() -> None:
    """Who asks for Gemini is told what is missing instead of getting another engine."""
    with pytest.raises(ValueError, match="GEMINI_API_KEY or GOOGLE_API_KEY"):
        settings(ENGINE="gemini").key({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENGINE", "gpt"),
        ("GEMINI_BASE_URL", "http://generativelanguage.googleapis.com"),
        ("GEMINI_BASE_URL", "https://user:secret@example.org"),
        ("GEMINI_BASE_URL", "https://example.org/?key=x"),
        ("GEMINI_BASE_URL", "example.org"),
        ("GEMINI_MODEL", ""),
        ("GEMINI_SECONDS", "0"),
        ("GEMINI_SECONDS", "nan"),
        ("GEMINI_CHUNK_SECONDS", "inf"),
        ("GEMINI_MODEL_CALLS", "-1"),
        ("GEMINI_TOKENS_PER_DAY", "-1"),
        ("GEMINI_SAMPLE_ROWS", "6"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(name: str, value: str) -> None:
    """The message names the setting; a key never travels in the clear beyond this machine."""
    with pytest.raises(SettingsError, match=name.lower()):
        settings(**{name: value})


def test_the_policy_is_read_from_settings() -> None:
    """What leaves the house is one object."""
    made = settings(
        GEMINI_WITHHOLD="access,air.secret_*",
        GEMINI_DEVICE_ALIASES="true",
        GEMINI_SHOW_VALUES="false",
        GEMINI_SAMPLE_ROWS="2",
        GEMINI_BASE_URL="http://127.0.0.1:8000",
    )

    assert made.gemini_policy == Policy(True, ("access", "air.secret_*"), False, 2)


def test_no_setting_holds_the_key() -> None:
    """Neither a field nor the printed defaults ask for it: it must not end up in a file."""
    names = {entry.name for entry in dataclasses.fields(InsightSettings)}

    assert not {name for name in names if "key" in name} - {"tls_key"}
    assert "api_key" not in commented_defaults(InsightSettings).lower().replace("gemini_api_key or google_api_key", "")


def test_the_provider_s_client_is_not_loaded_without_a_key() -> None:
    """Importing the process, and opening the engine without a key, costs none of its memory."""
    program = """
import asyncio, sys
import dataflow_insight.__main__
from dataflow_insight.engines.gemini.opening import open_gemini
async def main():
    async with open_gemini(None, "", None) as engine:
        assert engine is None
asyncio.run(main())
print(sorted(name for name in sys.modules if name.startswith(("google.genai", "httpx2", "pydantic"))))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)

    assert done.stdout.strip() == "[]"


def test_a_quarter_of_an_answer_s_time_is_kept_for_the_local_engine() -> None:
    """Also where the time is not the usual one."""
    assert InsightSettings(answer_seconds=20.0).ask_limits.reserved_seconds == 5.0
