"""Rules about one value without parts: whether what is known of it implies them."""

from typing import Final

from dataflow_validator.contracts.compatibility.columns import EXACT_IN_DOUBLE
from dataflow_validator.contracts.compatibility.facts import Facts, is_clearly_more
from dataflow_validator.contracts.compatibility.nodes import BIGINT, BINARY, EVENT, MOMENT, Node
from dataflow_validator.contracts.names import BIGINT_MAX, BIGINT_MIN
from dataflow_validator.contracts.spec import Json

_MATCH_ALL: Final = frozenset({"", ".*", "^.*", "^", "$", "(?:)", "()"})

_SIZES: Final = {
    "minLength": ("string", "minLength", "maxLength"),
    "maxLength": ("string", "minLength", "maxLength"),
    "minItems": ("array", "minItems", "maxItems"),
    "maxItems": ("array", "minItems", "maxItems"),
    "minProperties": ("object", "minProperties", "maxProperties"),
    "maxProperties": ("object", "minProperties", "maxProperties"),
}
_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})

SCALAR_WORDS: Final = frozenset(
    {*_SIZES, *_BOUNDS, "type", "multipleOf", "pattern", "uniqueItems", MOMENT, EVENT, BIGINT, BINARY}
)
"""The keywords that `scalar_follows` decides. Those it does not know (enum and const on open facts) follow from nothing."""


def scalar_follows(facts: Facts, word: str, goal: Node) -> bool:
    """Say whether every value with these facts surely satisfies a keyword."""
    rule = goal.get(word)
    has_numbers = bool(facts.types & {"integer", "number"})
    if word == "type":
        named = {str(kind) for kind in rule} if isinstance(rule, list) else {str(rule)}
        wanted = named | ({"integer"} if "number" in named else set())
        return facts.types <= wanted or (
            facts.types <= wanted | {"number"} and "number" not in named and _are_whole(facts)
        )
    if word in _BOUNDS:
        return not has_numbers or _bound_follows(facts, word, rule)
    if word == "multipleOf":
        return not has_numbers or _multiple_follows(facts, rule)
    if word in _SIZES:
        return _size_follows(facts, word, rule)
    if word == "pattern":
        return "string" not in facts.types or rule in _MATCH_ALL or rule in facts.get("pattern")
    if word == "uniqueItems":
        high = facts.size("minItems", "maxItems")[1]
        return (
            "array" not in facts.types
            or rule is not True
            or True in facts.get(word)
            or (high is not None and high <= 1)
        )
    if word == BIGINT:
        return _bigint_follows(facts, rule)
    return _own_rule_follows(facts, word, rule)


def _are_whole(facts: Facts) -> bool:
    return any(isinstance(step, int) and not isinstance(step, bool) and step != 0 for step in facts.get("multipleOf"))


def _bound_follows(facts: Facts, word: str, rule: Json) -> bool:
    if not isinstance(rule, int | float) or isinstance(rule, bool):
        return False
    if any(type(known) is type(rule) and known == rule for known in facts.get(word)):
        return True
    low, low_open, high, high_open = facts.numbers
    if word in {"minimum", "exclusiveMinimum"}:
        known, is_open, is_beyond = low, low_open, low is not None and is_clearly_more(low, rule)
    else:
        known, is_open, is_beyond = high, high_open, high is not None and is_clearly_more(rule, high)
    if is_beyond:
        return True
    # Large numbers that are equal by value may not be to the engine, which compares doubles with integers.
    return known == rule and abs(rule) < EXACT_IN_DOUBLE and (is_open or not word.startswith("exclusive"))


def _multiple_follows(facts: Facts, rule: Json) -> bool:
    if not isinstance(rule, int | float) or isinstance(rule, bool):
        return False
    if rule == 1 and isinstance(rule, int) and "number" not in facts.types:
        return True
    for step in facts.get("multipleOf"):
        if type(step) is type(rule) and step == rule:
            return True
        if isinstance(step, int) and isinstance(rule, int) and step % rule == 0:
            return True
    return False


def _size_follows(facts: Facts, word: str, rule: Json) -> bool:
    kind, least, most = _SIZES[word]
    if kind not in facts.types:
        return True
    if not isinstance(rule, int | float) or isinstance(rule, bool):
        return False
    low, high = facts.size(least, most)
    if word == least:
        if kind == "object":
            low = max(low, len(facts.required))
        return low >= rule
    if kind == "object" and (high is None or high > rule):
        others = [facts.other_members(pattern) for pattern in (None, *facts.patterns)]
        if all(other.is_empty() for other in others):
            high = sum(not facts.member(name).is_empty() for name in facts.named)
    return high is not None and high <= rule


def _bigint_follows(facts: Facts, rule: Json) -> bool:
    if "string" in facts.types and rule is not None and rule not in facts.get(BIGINT):
        return False
    if not facts.types & {"integer", "number"} or facts.get(BIGINT):
        return True
    low, _, high, _ = facts.numbers
    return low is not None and low >= BIGINT_MIN and high is not None and high <= BIGINT_MAX


def _own_rule_follows(facts: Facts, word: str, rule: Json) -> bool:
    """Decide on the rules that JSON Schema has no word for."""
    touched = {MOMENT: {"string", "integer", "number"}, BINARY: {"string"}}.get(word)
    if touched is not None and not facts.types & touched:
        return True
    return any(
        isinstance(known, list) and isinstance(rule, list) and _implies(word, known, rule) for known in facts.get(word)
    )


def _implies(word: str, known: list[Json], rule: list[Json]) -> bool:
    if word == BINARY:
        return known[0] == rule[0] and _at_least(known[1], rule[1]) and _at_most(known[2], rule[2])
    # The same reading; text made of digits may be read besides what was read before.
    reads_more = (known[0] == rule[0] or (known[0], rule[0]) == ("rfc3339", "auto")) and (
        known[1] == rule[1] or (known[1] is None and rule[1] == "timestamp")
    )
    if word == MOMENT:
        return reads_more and (bool(rule[2]) or not known[2])
    return reads_more and _at_least(known[2], rule[2]) and _at_most(known[3], rule[3]) and _at_most(known[4], rule[4])


def _at_least(known: Json, rule: Json) -> bool:
    return isinstance(known, int) and isinstance(rule, int) and known >= rule


def _at_most(known: Json, rule: Json) -> bool:
    return rule is None or (isinstance(known, int) and isinstance(rule, int) and known <= rule)
