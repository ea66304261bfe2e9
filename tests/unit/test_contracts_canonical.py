"""The canonical form: equal exactly where two items are equal by value."""

import json
import subprocess
import sys
from typing import Any

import orjson
import pytest
from dataflow_validator.contracts.canonical import InexactNumberError, content_hash
from dataflow_validator.contracts.parse import parse_exactly
from hypothesis import given
from hypothesis import strategies as st

numbers = st.one_of(
    st.integers(-10, 10),
    st.integers(),
    st.integers(2**53 - 4, 2**53 + 4),
    st.integers(10**18, 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e16, 1e22, 5.0, 0.1, 1e-7, 2.0**63, 2.0**64]),
)
texts = st.one_of(st.text(max_size=5), st.sampled_from(["1.0,", "5.0", '"', "\\", ".0}", "\ud800"]))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
items = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)


def hash_of(payload: bytes) -> int:
    """Hash as judging does: fast first, exactly where that is not exact."""
    try:
        return content_hash(orjson.loads(payload))
    except (InexactNumberError, orjson.JSONDecodeError):
        return content_hash(parse_exactly(payload), exact=True)


def same(one: Any, other: Any) -> bool:
    """Compare as JSON values: true is not 1, and 5 is 5.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return (type(one) in {int, float} and type(other) in {int, float} and one == other) or (
        type(one) is type(other) and one == other
    )


@given(items, items)
def test_hashes_are_equal_exactly_for_equal_values(one: Any, other: Any) -> None:
    """Two items share a hash if and only if they are equal by value."""
    first, second = json.dumps(one).encode(), json.dumps(other).encode()
    equal = same(parse_exactly(first), parse_exactly(second))
    assert (hash_of(first) == hash_of(second)) == equal


@given(items)
def test_spelling_and_key_order_do_not_matter(item: Any) -> None:
    """Indents, escapes and the order of members change no hash."""
    plain = json.dumps(item, separators=(",", ":"), ensure_ascii=True).encode()

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(list(value))}
        return [turned(member) for member in value] if isinstance(value, list) else value

    assert hash_of(plain) == hash_of(json.dumps(turned(item), indent=3).encode())


@pytest.mark.parametrize(
    "spellings",
    [
        ["5", "5.0", "5e0", "50e-1", "0.5E1"],
        ["0", "-0", "0.0", "-0.0", "0e5"],
        ["1e16", "10000000000000000", "1E+16", "10000000000000000.0"],
        ["9007199254740993", "9007199254740993.0", "9.007199254740993e15"],
        ["18446744073709551616", "18446744073709551616.0", "1.8446744073709551616e19"],
        ["100000000000000000000000", "1e23", "1.0e23"],
    ],
)
def test_numbers_are_written_by_value(spellings: list[str]) -> None:
    """All spellings of a number are one, at the top, in objects and in arrays."""
    for shape in ("%s", '{"a":%s}', '{"b":1,"a":[%s]}'):
        assert len({hash_of((shape % spelling).encode()) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9007199254740992", "9007199254740993"),
        ("9007199254740992.0", "9007199254740993.0"),
        ("18446744073709551615", "18446744073709551616"),
        ('"5"', "5"),
        ('"a.0,"', '"a,"'),
        ('["1.0"]', '["1"]'),
        ("true", "1"),
        ("false", "0"),
        ("null", "0"),
        ("null", '""'),
        ("[]", "{}"),
        ('{"a":1}', '{"a":1,"b":null}'),
        ("[1,2]", "[2,1]"),
    ],
)
def test_different_items_are_never_merged(one: str, other: str) -> None:
    """Values that only look alike keep different hashes."""
    assert hash_of(one.encode()) != hash_of(other.encode())
    assert hash_of(f'{{"x":{one}}}'.encode()) != hash_of(f'{{"x":{other}}}'.encode())


def test_hash_is_the_same_in_every_process() -> None:
    """The hash is stored, so it must not depend on the process's hash seed."""
    code = "from dataflow_validator.contracts.canonical import content_hash; print(content_hash({'b': 'x', 'a': 1.5}))"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(there.stdout) == content_hash({"a": 1.5, "b": "x"})
    assert -(2**63) <= int(there.stdout) < 2**63
