"""One supervised process, a real one."""

import asyncio
import sys
from pathlib import Path

import pytest
from dataflow_stack.child import Child, ChildSpec, Health


async def test_a_probe_that_fails_does_not_end_the_watch(tmp_path: Path) -> None:
    """Whatever it raises, the process is asked again."""
    asked = 0

    async def serves(_: Child) -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RuntimeError("cannot switch to state 12; another operation (2) is in progress")
        return True

    command = (sys.executable, "-c", "import time; time.sleep(600)")
    child = Child(ChildSpec(name="x", command=command, directory=tmp_path, log=tmp_path / "log"), serves, lambda: None)
    running = asyncio.create_task(child.run())
    async with asyncio.timeout(30):
        await child.serving()
        assert child.health is Health.SERVING
        await child.stop()
        await running


@pytest.mark.parametrize("asks", [False, True])
async def test_only_who_asks_a_model_gets_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, asks: bool
) -> None:
    """Redis, Postgres and the other services have no use for it."""
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")
    command = (sys.executable, "-c", "import os; print('key:', os.environ.get('GEMINI_API_KEY'), flush=True)")
    spec = ChildSpec(
        name="x", command=command, directory=tmp_path, log=tmp_path / "log", asks_a_model=asks, may_end=True
    )

    async def serves(_: Child) -> bool:
        return True

    async with asyncio.timeout(30):
        await Child(spec, serves, lambda: None).run()

    assert ("key: a-key" if asks else "key: None") in (tmp_path / "log").read_text()
