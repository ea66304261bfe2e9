"""Proves that every value of one schema satisfies another; what it cannot prove it names, place by place.

The proof goes by the goal's structure: a value that has all the facts must satisfy each keyword. Alternatives among the facts
are gone through case by case. Recursive schemas are proven by induction over the depth of the value: a question that comes
up again further inside the same value is taken as answered. Nothing here looks at examples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from dataflow_validator.contracts.compatibility.columns import EXACT_IN_DOUBLE
from dataflow_validator.contracts.compatibility.facts import ANYTHING, Facts, must_evaluate
from dataflow_validator.contracts.compatibility.holds import found, word_holds
from dataflow_validator.contracts.compatibility.nodes import TEXT, Node, equal, root, same
from dataflow_validator.contracts.compatibility.scalars import SCALAR_WORDS, scalar_follows
from dataflow_validator.contracts.spec import FieldType, Json

ANY_MEMBER: Final = "*"
"""Stands in a path for a member without a name of its own, or for any element of an array."""

_UNNAMED: Final = "\0unnamed"
_MAX_QUESTIONS: Final = 20_000
_MAX_DEPTH: Final = 48
_MAX_CASES: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """A rule that was not proven to hold.

    Attributes:
        path: Where in the value.
        word: Which keyword.
        rule: Its value.
        facts: What is known of the value there.
        goal: The subschema that has the rule.
    """

    path: tuple[str, ...]
    word: str
    rule: Json
    facts: Facts
    goal: Node


@dataclass(slots=True)
class Proof:
    """One attempt to prove that facts imply a goal.

    Attributes:
        pardons_new: The goal may have optional members that the facts leave open: their rules are not asked for.
        pardons_gone: The facts may have optional members that the goal shuts out without naming them.
        pardoned: The members that were let through so, with what is known of the object, by path.
    """

    pardons_new: bool = False
    pardons_gone: bool = False
    pardoned: dict[tuple[str, ...], Node] = field(default_factory=dict)
    _open: dict[tuple[frozenset[int], int], int] = field(default_factory=dict)
    _questions: int = 0
    _strict: int = 0

    def gaps(self, facts: Facts, goal: Node, path: tuple[str, ...] = (), cases: int = 0) -> list[Gap]:
        """Find the rules of a goal that the facts do not imply; none means that the goal is proven."""
        if isinstance(goal.schema, bool):
            return [] if goal.schema or facts.is_empty() else [Gap(path, "false", False, facts, goal)]
        if any(same(fact, goal) for fact in facts.nodes) or facts.is_empty():
            return []
        self._questions += 1
        if self._questions > _MAX_QUESTIONS or len(path) > _MAX_DEPTH:
            return [Gap(path, "depth", None, facts, goal)]
        question = (facts.key, id(goal.schema))
        if (asked_at := self._open.get(question)) is not None:
            # The same question about a value inside the first one: true by induction. About the same value: no answer.
            return [] if len(path) > asked_at else [Gap(path, "$ref", goal.get("$ref"), facts, goal)]
        self._open[question] = len(path)
        # Where every value is counted no member is unknown, at any depth.
        is_counted = facts.finite is not None
        self._strict += is_counted
        try:
            missing = [gap for word in goal.assertions() for gap in self._word(facts, goal, word, path)]
            if missing and cases < _MAX_CASES:
                for choice in facts.choices:
                    found_in_cases = [
                        gap for case in facts.cases(choice) for gap in self.gaps(case, goal, path, cases + 1)
                    ]
                    if len(found_in_cases) < len(missing) or not found_in_cases:
                        missing = found_in_cases
                    if not missing:
                        break
            if missing and cases < _MAX_CASES and len(facts.types) > 1 and facts.finite is None and _branches(goal):
                split = [facts.plus([_of_type(kind)]) for kind in sorted(facts.types)]
                by_type = [gap for case in split for gap in self.gaps(case, goal, path, cases + 1)]
                missing = by_type if len(by_type) <= len(missing) else missing
            return missing
        finally:
            self._strict -= is_counted
            del self._open[question]

    def proves(self, facts: Facts, goal: Node, path: tuple[str, ...]) -> bool:
        """Say whether a goal is proven, without pardon for added members."""
        self._strict += 1
        try:
            return not self.gaps(facts, goal, path, _MAX_CASES - 2)
        finally:
            self._strict -= 1

    def _word(self, facts: Facts, goal: Node, word: str, path: tuple[str, ...]) -> list[Gap]:
        finite = facts.finite
        if finite is not None and all(word_holds(goal, word, value) is True for value in finite):
            return []
        gap = [Gap(path, word, goal.get(word), facts, goal)]
        match word:
            case "allOf":
                return [gap for part in goal.children(word) for gap in self.gaps(facts, part, path)]
            case "$ref":
                target = goal.reference()
                return gap if target is None else self.gaps(facts, target, path)
            case "anyOf":
                return self._any_of(facts, goal, path, gap)
            case "oneOf":
                branches = goal.children(word)
                for index, branch in enumerate(branches):
                    others = branches[:index] + branches[index + 1 :]
                    if all(facts.is_apart(other) for other in others):
                        return self.gaps(facts, branch, path)
                return gap
            case "not":
                return [] if facts.is_apart(goal.child(word)) else gap
            case "if":
                return self._if(facts, goal, path)
            case "then" | "else" | "minContains" | "maxContains":
                return []  # asked for with "if" and "contains"
            case (
                "properties" | "patternProperties" | "additionalProperties" | "propertyNames" | "unevaluatedProperties"
            ):
                return list(self._members(facts, goal, word, path)) if "object" in facts.types else []
            case "required" | "dependentRequired" | "dependentSchemas":
                return list(self._presence(facts, goal, word, path)) if "object" in facts.types else []
            case "items" | "prefixItems" | "contains":
                return list(self._elements(facts, goal, word, path)) if "array" in facts.types else []
        if word == TEXT and self._text(facts, goal, path):
            return []
        return [] if word in SCALAR_WORDS and scalar_follows(facts, word, goal) else gap

    def _text(self, facts: Facts, goal: Node, path: tuple[str, ...]) -> bool:
        """Say whether text that reads as a value of one kind is text that reads as the goal asks."""
        rule = goal.get(TEXT)
        if "string" not in facts.types or not isinstance(rule, list):
            return "string" not in facts.types
        for node in facts.nodes:
            known = node.get(TEXT)
            if not isinstance(known, list):
                continue
            # Text of a whole number that a double holds reads as the same number; the other way round rounding may step in.
            is_whole = known[0] == FieldType.INTEGER
            if known[0] == rule[0] or (is_whole and rule[0] == FieldType.NUMBER):
                read = Facts([node.at(known[1]), *([_of_type("integer")] if is_whole else [])])
                if (known[0] == rule[0] or _are_exact(read)) and self.proves(read, goal.at(rule[1]), path):
                    return True
        return False

    def _any_of(self, facts: Facts, goal: Node, path: tuple[str, ...], gap: list[Gap]) -> list[Gap]:
        branches = goal.children("anyOf")
        if any(self.proves(facts, branch, path) for branch in branches):
            return []
        # Of one branch for this kind of value, say what is wrong in it.
        possible = [branch for branch in branches if not facts.is_apart(branch)]
        return self.gaps(facts, possible[0], path) if len(possible) == 1 else gap

    def _if(self, facts: Facts, goal: Node, path: tuple[str, ...]) -> list[Gap]:
        condition = goal.child("if")
        if facts.is_apart(condition):
            return self.gaps(facts, goal.child("else"), path)
        if self.proves(facts, condition, path):
            return self.gaps(facts, goal.child("then"), path)
        self._strict += 1
        try:
            holds_then = self.gaps(facts.plus([condition]), goal.child("then"), path)
            return holds_then + self.gaps(facts, goal.child("else"), path)
        finally:
            self._strict -= 1

    def _members(self, facts: Facts, goal: Node, word: str, path: tuple[str, ...]) -> Iterator[Gap]:
        own, patterns = goal.members("properties"), goal.members("patternProperties")
        if word == "properties":
            for name, rule in own.items():
                if not self._is_new(facts, goal, name, rule, path):
                    yield from self.gaps(facts.member(name), rule, (*path, name))
            return
        if word == "propertyNames":
            yield from self._names(facts, goal, path)
            return
        for name in sorted(facts.named | own.keys()):
            value = facts.member(name)
            if word == "patternProperties":
                for pattern, rule in patterns.items():
                    if found(pattern, name) is not False:
                        yield from self.gaps(value, rule, (*path, name))
            elif not _is_covered(goal, word, name) and not self._is_gone(facts, goal, word, name, path):
                yield from self.gaps(value, goal.child(word), (*path, name))
        for other in (None, *sorted(facts.patterns)):
            value = facts.other_members(other)
            if word == "patternProperties":
                for rule in patterns.values():
                    yield from self.gaps(value, rule, (*path, ANY_MEMBER))
            elif other not in patterns and not (word == "unevaluatedProperties" and must_evaluate(goal, _UNNAMED)):
                yield from self.gaps(value, goal.child(word), (*path, ANY_MEMBER))

    def _names(self, facts: Facts, goal: Node, path: tuple[str, ...]) -> Iterator[Gap]:
        rule = goal.child("propertyNames")
        known = [node.child("propertyNames") for node in facts.nodes if node.has("propertyNames")]
        if any(same(node, rule) for node in known) or (known and self.proves(Facts(known), rule, (*path, ANY_MEMBER))):
            return
        names = [name for name in sorted(facts.named) if not facts.member(name).is_empty()]
        others = [facts.other_members(pattern) for pattern in (None, *facts.patterns)]
        all_named = all(other.is_empty() for other in others)
        if not all_named or not all(self.proves(Facts([_const(name)]), rule, path) for name in names):
            yield Gap(path, "propertyNames", goal.get("propertyNames"), facts, goal)

    def _presence(self, facts: Facts, goal: Node, word: str, path: tuple[str, ...]) -> Iterator[Gap]:
        rule = goal.get(word)
        if word == "required" and isinstance(rule, list):
            for name in rule:
                if name not in facts.required:
                    yield Gap((*path, str(name)), word, rule, facts, goal)
        elif word == "dependentRequired" and isinstance(rule, dict):
            for name, names in rule.items():
                wanted = {str(other) for other in names} if isinstance(names, list) else set()
                known = _dependent(facts, name)
                if not wanted <= known and not facts.member(name).is_empty():
                    yield Gap((*path, name), word, names, facts, goal)
        else:
            for name, inner in goal.members(word).items():
                if not facts.member(name).is_empty():
                    self._strict += 1
                    yield from self.gaps(facts.plus([_having(name)]), inner, path)
                    self._strict -= 1

    def _elements(self, facts: Facts, goal: Node, word: str, path: tuple[str, ...]) -> Iterator[Gap]:
        low, high = facts.size("minItems", "maxItems")
        if word == "contains":
            counts = ("contains", "minContains", "maxContains")
            if any(_is_same_rule(node, goal, counts) for node in facts.nodes):
                return
            bounded = goal.has("maxContains") or goal.get("minContains") not in {None, 1}
            if goal.get("minContains") == 0 and not goal.has("maxContains"):
                return
            firsts = [facts.element(index) for index in range(min(int(low), facts.prefix + 1))]
            if bounded or not any(self.proves(first, goal.child(word), (*path, ANY_MEMBER)) for first in firsts):
                yield Gap(path, word, goal.get(word), facts, goal)
            return
        prefix = goal.children("prefixItems")
        if word == "prefixItems":
            for index, rule in enumerate(prefix):
                if high is None or index < high:
                    yield from self.gaps(facts.element(index), rule, (*path, str(index)))
            return
        for index in range(len(prefix), max(facts.prefix, len(prefix))):
            if high is None or index < high:
                yield from self.gaps(facts.element(index), goal.child(word), (*path, str(index)))
        if high is None or high > max(facts.prefix, len(prefix)):
            yield from self.gaps(facts.element(None), goal.child(word), (*path, ANY_MEMBER))

    def _is_new(self, facts: Facts, goal: Node, name: str, rule: Node, path: tuple[str, ...]) -> bool:
        """Pardon an optional member that the goal adds where the facts say nothing of it: the declared exception."""
        if not self.pardons_new or self._strict or rule.schema is False:
            return False
        value = facts.member(name)
        if not _leaves_open(facts, name) or name in (goal.get("required") or ()):  # type: ignore[operator]
            return False
        if self.proves(value, rule, (*path, name)):
            return False
        self.pardoned[*path, name] = rule
        return True

    def _is_gone(self, facts: Facts, goal: Node, word: str, name: str, path: tuple[str, ...]) -> bool:
        """Pardon an optional member of the facts that a closed goal does not know: the same exception, looked at backwards."""
        if not self.pardons_gone or self._strict or goal.get(word) is not False:
            return False
        if name in facts.required or name not in facts.named:
            return False
        self.pardoned[*path, name] = ANYTHING
        return True


def _leaves_open(facts: Facts, name: str, depth: int = 0) -> bool:
    """Say whether nothing that is known says anything of a member: no rule, no alternative, no list of values."""
    value = facts.member(name)
    if depth > _MAX_CASES or facts.finite is not None or name in facts.named or value.nodes or value.is_contradiction:
        return False
    return all(
        _leaves_open(Facts(alternative), name, depth + 1)
        for alternatives in facts.choices.values()
        for alternative in alternatives
    )


def _branches(goal: Node) -> bool:
    return any(goal.has(word) for word in ("anyOf", "oneOf", "if", "not"))


def _is_covered(goal: Node, word: str, name: str) -> bool:
    """Say whether additionalProperties or unevaluatedProperties leaves a member to other keywords."""
    if word == "unevaluatedProperties":
        return must_evaluate(goal, name)
    patterns = goal.members("patternProperties")
    return name in goal.members("properties") or any(found(pattern, name) is True for pattern in patterns)


def _are_exact(facts: Facts) -> bool:
    if facts.finite is not None:
        return all(isinstance(value, int | float) and abs(value) <= EXACT_IN_DOUBLE for value in facts.finite)
    low, _, high, _ = facts.numbers
    return low is not None and high is not None and low >= -EXACT_IN_DOUBLE and high <= EXACT_IN_DOUBLE


def _is_same_rule(left: Node, right: Node, words: tuple[str, ...]) -> bool:
    return all(left.has(word) == right.has(word) for word in words) and all(
        same(left.child(word), right.child(word)) if word == "contains" else equal(left.get(word), right.get(word))
        for word in words
    )


def _dependent(facts: Facts, name: str) -> set[str]:
    known = set(facts.required)
    for rule in facts.get("dependentRequired"):
        if isinstance(rule, dict) and isinstance(names := rule.get(name), list):
            known |= {str(other) for other in names}
    return known


def _const(value: Json) -> Node:
    return root({"const": value})


def _of_type(kind: str) -> Node:
    schema: dict[str, Json] = {"type": kind}
    if kind == "number":
        schema["not"] = {"type": "integer"}
    return root(schema)


def _having(name: str) -> Node:
    return root({"type": "object", "required": [name]})
