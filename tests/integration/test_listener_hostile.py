"""Naughty strings as everything that a client may name, and a short run of the fuzzer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dataflow_bridge.listener.testing import ClosedError, connect311, publish311, serve, token_authenticator

ROOT = Path(__file__).parents[2]
CASES = Path(os.environ.get("DATAFLOW_CASES", ROOT.parent / "shared" / "cases"))
# A few of the Big List of Naughty Strings (Max Woolf, MIT), for checkouts without the case data.
SAMPLE = [
    "",
    "undefined",
    "NULL",
    "-1/0",
    "\u0000",
    "\u0001\u007f",
    "\ufeff",
    "\u202etest",
    "Ω≈ç√∫µ≤≥÷",
    "田中さんにあげて下さい",
    "😍",
    "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮",
    "<script>alert(1)</script>",
    "1;DROP TABLE users",
    "$HOME",
    "../../../etc/passwd",
    "+/#",
    "x" * 2000,
]
TOKENS = token_authenticator({"t": ("fleet", "OPERATOR")})


def naughty_strings() -> list[str]:
    """Return all naughty strings where the case data is, else the sample."""
    path = CASES / "hostile" / "blns.json"
    return SAMPLE + (json.loads(path.read_text()) if path.is_file() else [])


async def test_naughty_names_are_taken_as_they_are_or_refused() -> None:
    """As client id, user name, topic and payload a string arrives unchanged or is refused; nobody else notices."""
    async with serve(authenticator=TOKENS) as served:
        for text in naughty_strings():
            client = await served.client()
            client.send(connect311(text or "x", username=text, password=b"t"))
            client.send(publish311(text, text.encode(), qos=1))
            before = len(served.intake.published)
            try:
                accepted = await client.receive() == b"\x20\x02\x00\x00"
                acknowledged = accepted and await client.receive() == b"\x40\x02\x00\x01"
            except ClosedError:
                acknowledged = False
            await client.close()
            fine = (
                text
                and "\0" not in text
                and not text.startswith("$")
                and "+" not in text
                and "#" not in text
                and len(text.encode()) <= 1024
            )
            assert acknowledged is bool(fine), text
            got = served.intake.published[before:]
            assert [(m.topic, m.payload, m.device_id) for m in got] == ([(text, text.encode(), text)] if fine else [])


@pytest.mark.timeout(110)
def test_fuzzed_listener_stays_well() -> None:
    """Tens of thousands of broken packets: no error, no stall, no leak, nothing acknowledged that was not taken."""
    command = [sys.executable, str(ROOT / "tests/chaos/fuzz_listener.py"), "--packets", "30000", "--seconds", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["passed"]
    assert "Traceback" not in done.stderr
    assert "panicked" not in done.stderr
