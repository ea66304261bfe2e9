"""Breaks a stack of its own again and again while devices, programs and a broker publish, and accounts for everything.

    .venv/bin/python -m tests.chaos.prove [--seed S] [--faults 200] [--messages 1000000] [--rate 1500] ...

Prints one JSON report. Exit code 1: something was lost, stored twice, or does not add up; the report then has what led
to it. The seed repeats the messages, the order of the faults and the pauses between them, not their exact timing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dataflow_stack.testing import LocalStack

from tests.chaos.prove.campaign import run
from tests.chaos.prove.plan import FAULTS, Plan

_PROOF = Path(__file__).parents[3] / "docs" / "proof.md"


def parse(arguments: Sequence[str]) -> tuple[Plan, argparse.Namespace]:
    """Returns what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make prove", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="default: from the clock")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1_000_000, help="acknowledged at least")
    parser.add_argument("--rate", type=float, default=1_500.0, help="messages a second")
    parser.add_argument("--clients", type=int, default=2, help="MQTT clients for each kind of message id")
    parser.add_argument("--pause-seconds", type=float, default=4.0, help="between the beginnings of faults, mean")
    parser.add_argument("--overlap", type=int, default=3, help="faults under way at once")
    parser.add_argument("--only", default="", help=f"faults, with commas between: {', '.join(FAULTS)}")
    parser.add_argument("--most-seconds", type=float, default=3_600.0, help="then it ends, whatever is missing")
    parser.add_argument("--bridges", type=int, default=2)
    parser.add_argument("--validators", type=int, default=2)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--report", type=Path, default=None, help="also write the JSON report to this file")
    parser.add_argument("--write-proof", action="store_true", help="also write the result into docs/proof.md")
    parser.add_argument("--keep", action="store_true", help="keep the data directory, and say where it is")
    given = parser.parse_args(arguments)
    only = [name.strip() for name in given.only.split(",") if name.strip()] or list(FAULTS)
    if unknown := [name for name in only if name not in FAULTS]:
        parser.error(f"no such faults: {', '.join(unknown)}")
    plan = Plan(
        seed=time.time_ns() % 1_000_000 if given.seed is None else given.seed,
        faults=given.faults,
        messages=given.messages,
        rate=given.rate,
        clients=given.clients,
        pause_seconds=given.pause_seconds,
        overlap=given.overlap,
        weights={name: FAULTS[name] for name in only},
        most_seconds=given.most_seconds,
    )
    return plan, given


def main() -> int:
    """Runs the command."""
    plan, given = parse(sys.argv[1:])
    print(f"seed {plan.seed}", file=sys.stderr)
    counts = {"--bridges": given.bridges, "--validators": given.validators, "--nodes": given.nodes}
    stack = LocalStack(("--no-fleet", *(part for name, count in counts.items() for part in (name, str(count)))))
    try:
        stack.up()
        report = run(stack, plan)
    except KeyboardInterrupt:
        print("interrupted: nothing was accounted for", file=sys.stderr)
        return 130
    finally:
        if given.keep:
            print(f"the data stay in {stack.data_dir}", file=sys.stderr)
            stack.command("down", check=False)
        else:
            stack.close()
    text = json.dumps(report.document(), indent=2)
    print(text)
    if given.report is not None:
        given.report.write_text(text, encoding="utf-8")
    if given.write_proof:
        report.write_proof(_PROOF)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
