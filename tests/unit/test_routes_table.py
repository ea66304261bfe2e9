"""Routes: matching, specificity, ties and device rules."""

import itertools
import random

import pytest
from dataflow_validator.catalog.routes import (
    Route,
    RouteTable,
    check_filter,
    implied_device_rule,
    matches,
    overlap,
    specificity,
)
from dataflow_validator.contracts import ContractSpec, DeviceRule, FieldSpec, FieldType, RouteError
from dataflow_validator.contracts.device import MAX_DEVICE_ID_BYTES, device_id_of
from dataflow_validator.contracts.pointer import MISSING
from hypothesis import given
from hypothesis import strategies as st

IDENTITY = DeviceRule.parse("identity")


def route(topic_filter: str, contract: str = "c") -> Route:
    return Route(topic_filter, contract, IDENTITY)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/+", "a/b/c", False),
        ("+", "a", True),
        ("+", "", True),
        ("+/+", "/a", True),
        ("/+", "/a", True),
        ("+", "/a", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("+/#", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+/c", "a/$x/c", True),
        ("a//c", "a//c", True),
        ("a/+/c", "a//c", True),
        ("+/+/#", "a", False),
        ("+/+/#", "a/b", True),
    ],
)
def test_filters_match_as_mqtt_says(topic_filter: str, topic: str, expected: bool) -> None:
    """The rules and examples of MQTT 5, section 4.7."""
    assert matches(topic_filter, topic) is expected
    assert (RouteTable([route(topic_filter)]).resolve(topic) is not None) is expected


@pytest.mark.parametrize(
    "topic_filter", ["", "a+", "a/b#", "#/a", "a/#/b", "a/+b/c", "a\0", "$share/g/a", "x" * 65_536, "\ud800"]
)
def test_invalid_filters_are_refused(topic_filter: str) -> None:
    """What MQTT does not allow, and shared subscriptions, are refused with a hint."""
    with pytest.raises(RouteError):
        check_filter(topic_filter)


@pytest.mark.parametrize(
    ("filters", "topic", "winner"),
    [
        (["#", "a/#", "a/+/c", "a/b/c"], "a/b/c", "a/b/c"),
        (["#", "a/#", "a/+/c"], "a/b/c", "a/+/c"),
        (["#", "a/#"], "a/b", "a/#"),
        (["a/#", "a/+"], "a/b", "a/+"),
        (["a/#", "a/+/#"], "a/b/c", "a/+/#"),
        (["a/b/#", "a/b"], "a/b", "a/b"),
        (["+/b/c", "a/#"], "a/b/c", "+/b/c"),
    ],
)
def test_the_most_specific_filter_wins(filters: list[str], topic: str, winner: str) -> None:
    """More literal levels, then no "#", then more levels; the order of making does not matter."""
    for order in (filters, filters[::-1]):
        found = RouteTable(map(route, order)).resolve(topic)
        assert found is not None
        assert found.topic_filter == winner


@pytest.mark.parametrize(
    ("one", "other"), [("a/+", "+/b"), ("a/+/c", "a/b/+"), ("a/b", "a/b"), ("a/#", "a/#"), ("+/a/#", "a/+/#")]
)
def test_ties_are_refused_and_both_named(one: str, other: str) -> None:
    """Equally specific filters with a topic in common cannot both be routes."""
    with pytest.raises(RouteError) as caught:
        RouteTable([route(one), route(other)])
    assert repr(one) in str(caught.value)
    assert repr(other) in str(caught.value)


def test_filters_without_a_common_topic_do_not_tie() -> None:
    """Equal shape is no tie."""
    table = RouteTable([route("a/+/x"), route("a/+/y"), route("b/+/x"), route("+/SYS"), route("$x/+")])
    assert len(table.routes) == 5
    assert table.resolve("$x/SYS") == route("$x/+")


levels = st.lists(st.sampled_from(["a", "b", "+", "", "$s"]), min_size=1, max_size=4)
filters = st.tuples(levels, st.booleans()).map(lambda drawn: "/".join([*drawn[0], *(["#"] if drawn[1] else [])]))
topics = st.lists(st.sampled_from(["a", "b", "", "$s"]), min_size=1, max_size=5).map("/".join)


@given(filters, filters, topics)
def test_a_topic_in_common_means_overlap(one: str, other: str, topic: str) -> None:
    """`overlap` never misses a topic that both match."""
    if matches(one, topic) and matches(other, topic):
        assert overlap(one, other)
        assert overlap(other, one)


@given(st.lists(filters, max_size=6), topics)
def test_resolve_gives_the_greatest_key_of_all_that_match(drawn: list[str], topic: str) -> None:
    """Whatever the table, the answer is the most specific match, and it is never ambiguous."""
    kept: list[Route] = []
    for topic_filter in drawn:
        try:
            RouteTable(kept).check(route(topic_filter))
        except RouteError:
            continue
        kept.append(route(topic_filter))
    table = RouteTable(kept)
    fitting = [item for item in kept if matches(item.topic_filter, topic)]
    keys = [specificity(item.topic_filter) for item in fitting]
    assert len(set(keys)) == len(keys)
    expected = max(fitting, key=lambda item: specificity(item.topic_filter)) if fitting else None
    assert table.resolve(topic) == expected
    assert table.resolve(topic) == expected


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics without end do not fill the memory."""
    monkeypatch.setattr("dataflow_validator.catalog.routes.MAX_CACHED_TOPICS", 10)
    table = RouteTable([route("a/+")])
    for number in range(100):
        assert table.resolve(f"a/{number}") is not None
        assert table.resolve("x" * 1000 + str(number)) is None
    assert len(table._cache) <= 10


@pytest.mark.parametrize("text", ["topic:1", "topic:12", "payload:/device_id", "payload:/a~1b/~0c/0", "identity"])
def test_device_rules_are_written_as_they_are_read(text: str) -> None:
    """Parsing and writing are inverse."""
    assert str(DeviceRule.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "topic",
        "topic:0",
        "topic:-1",
        "topic:x",
        "topic:²",
        "payload:",
        "payload:a",
        "payload:/~2",
        "identity:1",
        "Topic:1",
    ],
)
def test_invalid_device_rules_are_refused(text: str) -> None:
    """The error shows the three forms or the mistake in the pointer."""
    with pytest.raises(RouteError, match="device rule"):
        DeviceRule.parse(text)


def test_a_level_that_no_topic_has_is_refused() -> None:
    """`topic:5` cannot work with a filter of two levels, but can under "#"."""
    with pytest.raises(RouteError, match="2 levels"):
        RouteTable([Route("a/+", "c", DeviceRule.parse("topic:5"))])
    RouteTable([Route("a/#", "c", DeviceRule.parse("topic:5"))])


@pytest.mark.parametrize(
    ("topic_filter", "fields", "rule"),
    [
        ("a/+/b", (FieldSpec("device_id", FieldType.STRING),), "payload:/device_id"),
        ("a/+/b", (FieldSpec("device_id", FieldType.INTEGER),), "topic:2"),
        ("a/+/+", (), "topic:2"),
        ("a/#", (), "identity"),
        ("a", (), "identity"),
    ],
)
def test_the_implied_device_rule(topic_filter: str, fields: tuple[FieldSpec, ...], rule: str) -> None:
    """Payload field, else first "+", else identity."""
    assert str(implied_device_rule(topic_filter, ContractSpec("c", fields))) == rule


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("topic:2", "dev"),
        ("topic:4", MISSING),
        ("payload:/a/0", "x"),
        ("payload:/a/1", MISSING),
        ("identity", "me"),
    ],
)
def test_device_rules_find_the_device(rule: str, found: object) -> None:
    """Levels count from 1, pointers go through arrays."""
    assert DeviceRule.parse(rule).find("s/dev/t", "me", {"a": ["x"]}) == found


@pytest.mark.parametrize(
    ("found", "device_id"),
    [
        ("a", "a"),
        (" a ", " a "),
        ("é" * 256, "é" * 256),
        ("é" * 257, None),
        ("x" * MAX_DEVICE_ID_BYTES, "x" * MAX_DEVICE_ID_BYTES),
        ("x" * (MAX_DEVICE_ID_BYTES + 1), None),
        ("", None),
        ("a\0", None),
        ("\ud800", None),
        (42, "42"),
        (10**30, None),
        (1.5, None),
        (True, None),
        (None, None),
        ([], None),
        (MISSING, None),
    ],
)
def test_device_ids_are_exact_text(found: object, device_id: str | None) -> None:
    """Any Unicode, bounded, storable, compared exactly; integers in decimal digits."""
    assert device_id_of(found) == device_id


_ALPHABET = ("a", "b", "", "$s")
_TOPICS = ["/".join(levels) for length in range(1, 5) for levels in itertools.product((*_ALPHABET, "z"), repeat=length)]
_FILTERS = [
    "/".join(levels) for length in range(1, 4) for levels in itertools.product((*_ALPHABET, "+"), repeat=length)
] + ["/".join([*levels, "#"]) for length in range(3) for levels in itertools.product((*_ALPHABET, "+"), repeat=length)]


def test_overlap_and_specificity_agree_with_all_small_topics() -> None:
    """Against a reference that enumerates: filters overlap when a topic matches both; the narrower of two is the greater."""
    taken = {one: frozenset(topic for topic in _TOPICS if matches(one, topic)) for one in _FILTERS if one}
    dice = random.Random(11)
    pairs = dice.sample(list(itertools.combinations(taken, 2)), 12_000)
    ties = 0
    for one, other in pairs:
        common = taken[one] & taken[other]
        assert overlap(one, other) is bool(common), (one, other)
        tie = bool(common) and specificity(one) == specificity(other)
        ties += tie
        if taken[one] < taken[other]:
            assert specificity(one) > specificity(other), (one, other)
        if tie:
            with pytest.raises(RouteError):
                RouteTable([route(one), route(other)])
        else:
            table = RouteTable([route(one), route(other)])
            for topic in dice.sample(sorted(common), min(3, len(common))):
                assert table.matching(topic)[0] == table.resolve(topic)
    assert ties > 50
