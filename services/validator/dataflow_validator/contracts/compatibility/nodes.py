"""A JSON Schema document with its references resolved: what the proof of containment walks through.

Contracts add rules that JSON Schema has no word for (a text that reads as a moment, an integer that fits its column). They
stand in the documents as keywords that begin with NUL, which no stored schema can hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote, urljoin

from dataflow_validator.contracts.pointer import MISSING, resolve, tokens_of
from dataflow_validator.contracts.spec import Json

Schema: TypeAlias = "dict[str, Json] | bool"
"""A JSON Schema."""

MOMENT: Final = "\0moment"
"""[format, coerced type or null, whether text that is no moment passes]: a string or number must read as a moment."""

EVENT: Final = "\0event"
"""[format, coerced type or null, earliest µs, latest µs or null, µs ahead]: the value is the item's event time."""

BIGINT: Final = "\0bigint"
"""Coerced type or null: a whole number must fit a bigint column."""

BINARY: Final = "\0binary"
"""[encoding, least bytes, most bytes or null]: a string must decode."""

TEXT: Final = "\0text"
"""[coerced type, schema]: a string must read, without loss, as a value that the schema accepts."""

ASSERTIONS: Final = frozenset(
    {
        *("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "contains", "minContains"),
        *("maxContains", "items", "prefixItems", "properties", "required", "additionalProperties", "patternProperties"),
        *("propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies"),
        *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef", "$recursiveRef"),
        *("unevaluatedProperties", "unevaluatedItems", MOMENT, EVENT, BIGINT, BINARY, TEXT),
    }
)
"""The keywords that can refuse a value. `format` and all others only annotate, as in the engine."""

_MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLES: Final = frozenset(
    {"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)


class Document:
    """One schema document: finds what its references mean."""

    def __init__(self, root: Schema) -> None:
        """Index the document's resources and anchors.

        Args:
            root: The whole document; must not change afterwards.
        """
        self.root = root
        self._bases: dict[int, str] = {}
        self._resources: dict[str, Json] = {"": root}
        self._anchors: dict[tuple[str, str], Json] = {}
        self.is_dynamic = False
        self._members: dict[tuple[int, str], dict[str, Node]] = {}
        self._index()

    def _index(self) -> None:
        pending: list[tuple[Json, str]] = [(self.root, "")]
        while pending:
            value, base = pending.pop()
            if isinstance(value, dict):
                if isinstance(own := value.get("$id"), str):
                    base = urljoin(base, own).rstrip("#") if ":" not in own else own.rstrip("#")
                    self._resources[base] = value
                self._bases[id(value)] = base
                for keyword in ("$anchor", "$dynamicAnchor"):
                    if isinstance(name := value.get(keyword), str):
                        self._anchors[base, name] = value
                self.is_dynamic = self.is_dynamic or "$dynamicRef" in value or "$recursiveRef" in value
                pending.extend((member, base) for member in value.values())
            elif isinstance(value, list):
                pending.extend((member, base) for member in value)

    def members(self, node: "Node", keyword: str) -> "dict[str, Node]":
        """Give the named subschemas under a keyword; made once, since wide contracts are asked for them a thousand times."""
        key = (id(node.schema), keyword)
        if (known := self._members.get(key)) is None:
            parts = node.get(keyword)
            known = {name: node.at(part) for name, part in parts.items()} if isinstance(parts, dict) else {}
            self._members[key] = known
        return known

    def target(self, reference: Json, where: Schema) -> "Node | None":
        """Follow a reference that stands in a subschema of this document; `None` where it leads to nothing known."""
        if not isinstance(reference, str):
            return None
        base = self._bases.get(id(where), "")
        uri, _, fragment = reference.partition("#")
        resource = base if not uri else uri if ":" in uri else urljoin(base, uri)
        if resource not in self._resources:
            return None
        found: object = self._resources[resource]
        if fragment.startswith("/"):
            try:
                found = resolve(found, tokens_of(unquote(fragment)))
            except ValueError:
                return None
        elif fragment:
            found = self._anchors.get((resource, fragment), MISSING)
        return Node(found, self) if isinstance(found, dict | bool) else None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A subschema in its document."""

    schema: Schema
    document: Document

    def get(self, keyword: str) -> Json:
        """Give a keyword's value; `None` where it is absent."""
        return self.schema.get(keyword) if isinstance(self.schema, dict) else None

    def has(self, keyword: str) -> bool:
        """Say whether a keyword is there."""
        return isinstance(self.schema, dict) and keyword in self.schema

    def at(self, schema: Json) -> "Node":
        """Give a subschema of the same document; what is no schema accepts everything, as the engine would not run it."""
        return Node(schema if isinstance(schema, dict | bool) else True, self.document)

    def child(self, keyword: str) -> "Node":
        """Give the subschema under a keyword."""
        return self.at(self.get(keyword))

    def children(self, keyword: str) -> "list[Node]":
        """Give the list of subschemas under a keyword."""
        parts = self.get(keyword)
        return [self.at(part) for part in parts] if isinstance(parts, list) else []

    def members(self, keyword: str) -> "dict[str, Node]":
        """Give the named subschemas under a keyword; not to be changed."""
        return self.document.members(self, keyword) if self.has(keyword) else {}

    def reference(self) -> "Node | None":
        """Give what `$ref` leads to."""
        return self.document.target(self.get("$ref"), self.schema)

    def assertions(self) -> Iterator[str]:
        """Give the keywords that can refuse a value, in the order of the document."""
        return (word for word in self.schema if word in ASSERTIONS) if isinstance(self.schema, dict) else iter(())


def root(schema: Schema) -> Node:
    """Make the node of a whole document."""
    return Node(schema, Document(schema))


def equal(left: object, right: object) -> bool:
    """Compare JSON values as JSON Schema does: 1 is 1.0, and never true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return left == right


def _identical(left: Json, right: Json) -> bool:
    """Compare JSON values as written: to the engine, 2^63 and 2.0^63 are two bounds."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_identical(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_identical, left, right))
    return left == right


def same(left: Node, right: Node) -> bool:
    """Say whether two subschemas are the same rule, written the same way but for annotations."""
    if left.document.is_dynamic or right.document.is_dynamic:
        return _identical(left.document.root, right.document.root) and _identical(left.schema, right.schema)
    return _same(left, right, set())


def _same(left: Node, right: Node, seen: set[tuple[int, int]]) -> bool:
    if left.schema is right.schema:
        return True
    if isinstance(left.schema, bool) or isinstance(right.schema, bool):
        return left.schema is right.schema
    pair = (id(left.schema), id(right.schema))
    if pair in seen:
        return True
    seen.add(pair)
    words = set(left.assertions())
    return words == set(right.assertions()) and all(_same_word(word, left, right, seen) for word in words)


def _same_word(word: str, left: Node, right: Node, seen: set[tuple[int, int]]) -> bool:
    if word == "$ref":
        one, other = left.reference(), right.reference()
        return one is not None and other is not None and _same(one, other, seen)
    if word in _MAPS:
        here, there = left.members(word), right.members(word)
        return here.keys() == there.keys() and all(_same(here[name], there[name], seen) for name in here)
    if word in _LISTS:
        ours, theirs = left.children(word), right.children(word)
        return len(ours) == len(theirs) and all(_same(*pair, seen) for pair in zip(ours, theirs, strict=True))
    if word in _SINGLES:
        return _same(left.child(word), right.child(word), seen)
    # The old form of dependentSchemas may hold references, which mean something else in another document.
    return word != "dependencies" and _identical(left.get(word), right.get(word))
