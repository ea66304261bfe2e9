"""Asks the questions of a file over the packaged readings and lists the wrong answers: `python -m tests.ask_score FILE`.

Without a file, and with `--dsns`, it only serves the databases, for later calls with the same `--dsns`.
"""

import argparse
import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc.aio
from dataflow_insight.postgres import Reader
from dataflow_mesh.testing import in_process_server, postgres_cluster

from tests.ask_client import Asked, Asker
from tests.ask_database import load_joined, load_main
from tests.ask_judge import judge
from tests.ask_serving import local_service

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
"""The present of questions that give none."""


class _Clock:
    """The present that a question gives."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


async def ask_all(
    dsns: dict[str, str], cases: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], Asked | None, str | None]]:
    """Returns each case, its answer and what is wrong with it.

    Args:
        dsns: The database of each name that a record may have.
        cases: Records; see `tests/data/README.md`.
    """
    found: list[tuple[dict[str, Any], Asked | None, str | None]] = []
    for database in dict.fromkeys(case.get("database", "main") for case in cases):
        clock = _Clock()
        async with (
            Reader.open(dsns[database]) as reader,
            in_process_server([local_service(reader, clock.now)]) as server,
        ):
            ask = Asker(server.channel)
            for case in cases:
                if case.get("database", "main") != database:
                    continue
                clock.moment = datetime.fromisoformat(case["now"]) if case.get("now") else NOW
                try:
                    asked = await ask(case["question"], _contract(case), case.get("time_zone", ""))
                except grpc.aio.AioRpcError as error:
                    found.append((case, None, f"failed: {error.code().name} {error.details()}"))
                    continue
                found.append((case, asked, judge(asked, case)))
    return found


def _contract(case: dict[str, Any]) -> str:
    """Returns the contract that the asker names: three in one database have a temperature."""
    contract: str = case.get("contract", "")
    return contract if contract in {"room", "machine"} else ""


@contextlib.contextmanager
def databases(dsn_file: Path | None) -> Iterator[dict[str, str]]:
    """Gives the databases: those that a file names, or new ones."""
    if dsn_file is not None and dsn_file.exists():
        yield json.loads(dsn_file.read_text())
        return
    with postgres_cluster(fsync=False) as cluster:
        dsns = {name: cluster.create_database(name) for name in ("main", "joined")}
        asyncio.run(load_main(dsns["main"]))
        asyncio.run(load_joined(dsns["joined"]))
        if dsn_file is not None:
            dsn_file.write_text(json.dumps(dsns))
            print(f"serving {dsns} until interrupted")
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(asyncio.Event().wait())
            dsn_file.unlink()
        yield dsns


def main() -> None:
    """Prints the wrong answers and the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--dsns", type=Path, help="JSON file of running databases; serves them if it is not there")
    parser.add_argument("--only", default="", help="ids, with commas between")
    parser.add_argument("--category", default="")
    parser.add_argument("--all", action="store_true", help="also print right answers")
    given = parser.parse_args()
    with databases(given.dsns) as dsns:
        if given.file is None:
            return
        cases = [json.loads(line) for line in given.file.read_text().splitlines() if line.strip()]
        cases = [case for case in cases if not given.only or case["id"] in given.only.split(",")]
        cases = [case for case in cases if not given.category or case["category"] == given.category]
        wrong: Counter[str] = Counter()
        for case, asked, problem in asyncio.run(ask_all(dsns, cases)):
            if problem is not None or given.all:
                print(f"{case['id']} [{case['category']}] {case['question']}\n    {problem or (asked and asked.text)}")
            wrong[case["category"]] += problem is not None
        total = Counter(case["category"] for case in cases)
        print({name: f"{total[name] - wrong[name]}/{total[name]}" for name in total})
        print(f"right: {len(cases) - wrong.total()} of {len(cases)}")


if __name__ == "__main__":
    main()
