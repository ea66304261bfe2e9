"""Random pairs of contracts against random items: is anything called compatible that an item refutes?

Contracts are made of fields, of raw JSON Schemas and of both; most pairs are near misses, one changed a little from the
other. Items are made up here, without the help of the comparison: valid ones, ones at the edges of either contract, and
mutated ones. What counts is what both compiled contracts say of them.

    python -m tests.benchmarks.compatibility_pairs --pairs 10000 --seed 1
"""

import argparse
import copy
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    CompiledContract,
    ContractError,
    ContractSpec,
    DeviceRule,
    Refused,
    compile_contract,
)
from dataflow_validator.contracts.compatibility import Comparison, Direction, compare

from tests.benchmarks.random_contracts import any_contract, changed
from tests.benchmarks.random_items import RECEIVED, Items

RULE = DeviceRule.parse("topic:1")


@dataclass(slots=True)
class Tally:
    """What came out."""

    pairs: int = 0
    items: int = 0
    uncompilable: int = 0
    compatible: Counter[str] = field(default_factory=Counter)
    incompatible: Counter[str] = field(default_factory=Counter)
    without_example: Counter[str] = field(default_factory=Counter)
    refuted_without_example: Counter[str] = field(default_factory=Counter)
    nothing_accepted: Counter[str] = field(default_factory=Counter)
    exempted: int = 0
    false_examples: list[str] = field(default_factory=list)
    refuted: list[str] = field(default_factory=list)
    clauses: Counter[str] = field(default_factory=Counter)
    compare_seconds: float = 0.0
    slowest_seconds: float = 0.0


def judge(contract: CompiledContract, payload: bytes) -> list[Refused]:
    """Give what a contract refuses in a message."""
    arrival = Arrival("dev", None, payload, RECEIVED, None, maybe_duplicate=False, batch_id=bytes(16), position=0)
    return [outcome for outcome in contract.judge(arrival, RULE) if not isinstance(outcome, Accepted)]


def is_exempt(
    item: Any, accepts: CompiledContract, refuses: CompiledContract, comparison: Comparison, direction: Direction
) -> bool:
    """Say whether only added optional fields are at fault: all reasons are about them, or all is well without them."""
    places = [one.path for one in comparison.exemptions if one.direction is direction]
    reasons = [why.path for outcome in judge(refuses, json.dumps(item).encode()) for why in outcome.reasons]
    if all(any(why == place or why.startswith(place + "/") for place in places) for why in reasons):
        return True
    rest = copy.deepcopy(item)
    for place in places:
        _strip(rest, [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]])
    payload = json.dumps(rest).encode()
    return rest != item and not judge(accepts, payload) and not judge(refuses, payload)


def _strip(value: Any, path: list[str]) -> None:
    if isinstance(value, list):
        for place, inner in enumerate(value):
            if path[0] in {"*", str(place)}:
                _strip(inner, path[1:]) if path[1:] else None
    elif isinstance(value, dict):
        for name in [name for name in value if path[0] in {"*", name}]:
            if path[1:]:
                _strip(value[name], path[1:])
            else:
                del value[name]


def pairs(random: Random) -> Iterator[tuple[ContractSpec, ContractSpec]]:
    """Make pairs without end: changed ones mostly, and independent ones."""
    while True:
        old = any_contract(random)
        new = changed(random, old) if random.random() < 0.8 else any_contract(random)
        yield (old, new) if random.random() < 0.5 else (new, old)


def run(
    count: int, seed: int, items: int, *, probes: int = 0, progress: bool = False, stop_when_refuted: bool = False
) -> Tally:
    """Compare pairs and try to refute what is called compatible.

    Args:
        count: How many pairs.
        seed: The same seed gives the same pairs.
        items: Items for each pair.
        probes: As in `compare`; 0 shows the proof alone.
        progress: Print now and then.
        stop_when_refuted: Do not go on after the first pair that is called compatible and is not.
    """
    tally = Tally()
    for number, (old, new) in enumerate(pairs(Random(seed))):
        if tally.pairs >= count or (stop_when_refuted and tally.refuted):
            break
        try:
            compiled = compile_contract(old, 1), compile_contract(new, 2)
        except ContractError:
            tally.uncompilable += 1
            continue
        tally.pairs += 1
        _one(tally, Random(seed * 1_000_003 + number), (old, new), compiled, items, probes)
        if progress and tally.pairs % 1000 == 0:
            print(f"{tally.pairs} pairs, {len(tally.refuted)} refuted", file=sys.stderr, flush=True)
    return tally


def _one(
    tally: Tally,
    random: Random,
    specs: tuple[ContractSpec, ContractSpec],
    compiled: tuple[CompiledContract, CompiledContract],
    items: int,
    probes: int,
) -> None:
    begun = time.perf_counter()
    comparison = compare(*specs, probes=probes)
    took = time.perf_counter() - begun
    tally.compare_seconds += took
    tally.slowest_seconds = max(tally.slowest_seconds, took)
    for direction in Direction:
        found = [one for one in comparison.findings if one.direction is direction]
        (tally.incompatible if found else tally.compatible)[direction] += 1
        if found and all(one.counter_example is None for one in found):
            tally.without_example[direction] += 1
            tally.clauses.update({one.clause for one in found})
    _check_examples(tally, comparison, compiled)
    refuted: set[Direction] = set()
    accepted = [0, 0]
    for item in Items(random, *specs).some(items):
        tally.items += 1
        payload = json.dumps(item).encode()
        refused = [judge(contract, payload) for contract in compiled]
        accepted = [count + (not against) for count, against in zip(accepted, refused, strict=True)]
        if bool(refused[0]) is bool(refused[1]):
            continue
        direction = Direction.BACKWARD if refused[1] else Direction.FORWARD
        if direction in refuted:
            continue
        against = refused[1] or refused[0]
        found = [one for one in comparison.findings if one.direction is direction]
        if found:
            refuted.add(direction)
            if all(one.counter_example is None for one in found):
                tally.refuted_without_example[direction] += 1
        elif is_exempt(item, *(compiled if refused[1] else compiled[::-1]), comparison, direction):
            tally.exempted += 1
        else:
            refuted.add(direction)
            reasons = [f"{why.path} {why.rule}" for outcome in against for why in outcome.reasons]
            tally.refuted.append(
                json.dumps(
                    {
                        "direction": direction,
                        "item": item,
                        "reasons": reasons,
                        "old": specs[0].to_dict(),
                        "new": specs[1].to_dict(),
                    }
                )
            )

    for direction, count in zip(Direction, accepted, strict=True):
        found = [one for one in comparison.findings if one.direction is direction]
        if found and not count and all(one.counter_example is None for one in found):
            tally.nothing_accepted[direction] += 1


def _check_examples(tally: Tally, comparison: Comparison, compiled: tuple[CompiledContract, CompiledContract]) -> None:
    for one in comparison.findings:
        if one.counter_example is not None:
            backward = one.direction is Direction.BACKWARD
            accepts, refuses = compiled if backward else compiled[::-1]
            payload = one.counter_example.payload.encode()
            if judge(accepts, payload) or not judge(refuses, payload):
                tally.false_examples.append(one.message)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=150, help="for each pair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--probes", type=int, default=0, help="items that compare() itself tries; 0: the proof alone")
    parser.add_argument("--show", type=int, default=3, help="refuted pairs to print")
    options = parser.parse_args()
    tally = run(options.pairs, options.seed, options.items, probes=options.probes, progress=True)
    bad = sum(tally.incompatible.values())
    without = sum(tally.without_example.values())
    print(
        f"pairs {tally.pairs} (each in both directions), items judged by both {tally.items}, left out {tally.uncompilable} that do not compile"
    )
    print(f"called compatible   {dict(tally.compatible)}")
    print(f"called incompatible {dict(tally.incompatible)}")
    print(f"called compatible and refuted by an item: {len(tally.refuted)}")
    print(f"counter-examples that do not hold: {len(tally.false_examples)}")
    print(
        f"incompatible without a counter-example: {without} of {bad} ({100 * without / max(bad, 1):.1f} %), of which in {sum(tally.nothing_accepted.values())} no item here is accepted by the side that it must come from, and {sum(tally.refuted_without_example.values())} an item here refutes"
    )
    print(f"  by clause: {dict(tally.clauses.most_common(12))}")
    print(f"items that only the exemption for added optional fields covers: {tally.exempted}")
    print(
        f"compare(): mean {1000 * tally.compare_seconds / max(tally.pairs, 1):.1f} ms, slowest {1000 * tally.slowest_seconds:.0f} ms"
    )
    for text in tally.refuted[: options.show]:
        print(text)
    return 1 if tally.refuted or tally.false_examples else 0


if __name__ == "__main__":
    sys.exit(main())
