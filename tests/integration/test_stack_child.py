"""One supervised process, a real one."""

import asyncio
import sys
from pathlib import Path

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
