"""Several of everything on one machine: shared ports, each process with a health of its own."""

import signal

from dataflow_stack.testing import LocalStack


def test_each_of_several_processes_shows_its_own_health() -> None:
    """While one of two that share a port hangs, it alone is shown as unwell; the other one still serves."""
    flags = ("--no-fleet", "--bridges", "2", "--validators", "2", "--insights", "2")
    with LocalStack.running(flags, {"DATAFLOW_WATCHDOG_SECONDS": "30"}) as stack:
        names = {entry["name"] for entry in stack.status()["processes"]}
        assert {f"{kind}-{index}" for kind in ("bridge", "validator", "insight") for index in (0, 1)} <= names
        for kind in ("bridge", "validator", "insight"):
            stack.kill(f"{kind}-1", signal.SIGSTOP)
        stack.eventually(lambda: _health(stack, 1) == {"NOT_SERVING"})
        assert _health(stack, 0) == {"SERVING"}
        for kind in ("bridge", "validator", "insight"):
            stack.kill(f"{kind}-1", signal.SIGCONT)
        stack.eventually(lambda: _health(stack, 0) | _health(stack, 1) == {"SERVING"})


def _health(stack: LocalStack, index: int) -> set[str]:
    services = ("bridge", "validator", "insight")
    return {
        entry["health"] for entry in stack.status()["processes"] if entry["name"] in {f"{s}-{index}" for s in services}
    }
