"""Routes: which contract judges a topic, and how to find the device.

A topic filter is MQTT's: levels between "/", "+" for any one level, a last "#" for all that follows, the parent level
included; a filter that starts with a wildcard matches no topic that starts with "$". Levels are compared exactly.

Of the routes whose filters match a topic the most specific wins: the one with more literal levels; of those, one without
"#" before one with it; of those, the one with more levels. So whenever one filter matches only a part of what another
matches, it wins. Two filters that match a topic in common and are equal in all three tie, and the second one is refused
when it is made.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dataflow_validator.contracts.device import DeviceRule, DeviceSource
from dataflow_validator.contracts.errors import RouteError
from dataflow_validator.contracts.spec import ContractSpec, FieldType

MAX_FILTER_BYTES: Final = 65_535
"""What MQTT allows."""

MAX_CACHED_TOPICS: Final = 65_536
"""A fleet has few topics; a stranger who invents topics only empties the cache."""

_MAX_CACHED_TOPIC_CHARACTERS: Final = 512


@dataclass(frozen=True, slots=True)
class Route:
    """Sends the messages of a topic filter to a contract.

    Attributes:
        topic_filter: An MQTT topic filter.
        contract: The contract's name.
        device_rule: How to find the device.
        revision: The revision that judges, whichever is active; 0 for the active one.
    """

    topic_filter: str
    contract: str
    device_rule: DeviceRule
    revision: int = 0


def check_filter(topic_filter: str) -> None:
    """Check a topic filter.

    Raises:
        RouteError: It is none, with what to write instead.
    """
    what = f"topic filter {topic_filter!r}"
    if not topic_filter:
        raise RouteError("the topic filter is empty: write '#' for all topics")
    if "\0" in topic_filter:
        raise RouteError(f"{what}: NUL is not allowed")
    try:
        size = len(topic_filter.encode())
    except UnicodeEncodeError as problem:
        raise RouteError(f"{what}: not valid Unicode") from problem
    if size > MAX_FILTER_BYTES:
        raise RouteError(f"the topic filter has {size} bytes, at most {MAX_FILTER_BYTES}")
    levels = topic_filter.split("/")
    if levels[0] == "$share":
        raise RouteError(f"{what}: shared subscriptions are for sources; give the filter after '$share/<group>/'")
    for index, level in enumerate(levels):
        if "+" in level and level != "+":
            raise RouteError(f"{what}: '+' stands for a whole level, as in 'a/+/c'")
        if "#" in level and (level != "#" or index < len(levels) - 1):
            raise RouteError(f"{what}: '#' is the whole last level, as in 'a/#'")


def matches(topic_filter: str, topic: str) -> bool:
    """Say whether a filter, known to be valid, matches a topic [MQTT 5, section 4.7]."""
    return _matches(topic_filter.split("/"), topic.split("/"))


def _matches(levels: list[str], topic: list[str]) -> bool:
    if topic[0].startswith("$") and levels[0] in {"+", "#"}:
        return False
    if levels[-1] == "#":
        parent = levels[:-1]
        return len(topic) >= len(parent) and all(map(_level_matches, parent, topic))
    return len(levels) == len(topic) and all(map(_level_matches, levels, topic))


def _level_matches(level: str, name: str) -> bool:
    return level in ("+", name)


def specificity(topic_filter: str) -> tuple[int, bool, int]:
    """Give the key by which the most specific filter is the greatest: literal levels, no "#", all levels."""
    levels = topic_filter.split("/")
    return sum(level not in {"+", "#"} for level in levels), levels[-1] != "#", len(levels)


def overlap(one: str, other: str) -> bool:
    """Say whether some topic matches both filters."""
    first, second = one.split("/"), other.split("/")
    for left, right in ((first, second), (second, first)):
        if left[0] in {"+", "#"} and right[0].startswith("$"):
            return False
    for index in range(max(len(first), len(second)) + 1):
        a = first[index] if index < len(first) else None
        b = second[index] if index < len(second) else None
        if a == "#" or b == "#":
            # "#" also stands for its parent level, so the other filter may just have ended.
            return True
        if a is None or b is None:
            return a is b
        if a not in ("+", b) and b != "+":
            return False
    return True


def implied_device_rule(topic_filter: str, spec: ContractSpec) -> DeviceRule:
    """Give the device rule of a route that names none.

    The contract's own string field `device_id`; else the topic level of the filter's first "+"; else the identity that
    the sender was authenticated as.
    """
    if any(item.name == "device_id" and item.type is FieldType.STRING for item in spec.fields):
        return DeviceRule(DeviceSource.PAYLOAD, tokens=("device_id",))
    levels = topic_filter.split("/")
    if "+" in levels:
        return DeviceRule(DeviceSource.TOPIC, level=levels.index("+") + 1)
    return DeviceRule(DeviceSource.IDENTITY)


def check_device_rule(topic_filter: str, rule: DeviceRule) -> None:
    """Check that a device rule can work with a filter.

    Raises:
        RouteError: The rule counts a level that no topic of the filter has, or one that is the same for all devices
            only by a slip: the filter's own literal level stays allowed, for a route of a single device.
    """
    levels = topic_filter.split("/")
    if rule.source is DeviceSource.TOPIC and rule.level > len(levels) and levels[-1] != "#":
        raise RouteError(f"device rule '{rule}': topics of {topic_filter!r} have {len(levels)} levels")


class RouteTable:
    """All routes, and the answer to which of them a topic takes. Immutable but for its cache: make a new one to change it."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        """Check and order the routes.

        Args:
            routes: In any order.

        Raises:
            RouteError: A filter is invalid, or two filters tie.
        """
        self._routes: list[tuple[list[str], Route]] = []
        self._literal: dict[str, Route] = {}
        self._cache: dict[str, Route | None] = {}
        for route in sorted(routes, key=lambda item: specificity(item.topic_filter), reverse=True):
            self.check(route)
            if "+" in route.topic_filter or "#" in route.topic_filter:
                self._routes.append((route.topic_filter.split("/"), route))
            else:
                self._literal[route.topic_filter] = route

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes, the most specific first."""
        return tuple(
            sorted(
                [*self._literal.values(), *(route for _, route in self._routes)],
                key=lambda item: (specificity(item.topic_filter), item.topic_filter),
                reverse=True,
            )
        )

    def check(self, route: Route) -> None:
        """Check that a route may be added to this table.

        Raises:
            RouteError: Its filter or device rule is invalid, or it ties with a route of the table; both are named.
        """
        check_filter(route.topic_filter)
        check_device_rule(route.topic_filter, route.device_rule)
        if route.topic_filter in self._literal:
            raise RouteError(f"topic filter {route.topic_filter!r} already has a route: change or remove that one")
        key = specificity(route.topic_filter)
        for _, other in self._routes:
            if specificity(other.topic_filter) == key and overlap(other.topic_filter, route.topic_filter):
                if other.topic_filter == route.topic_filter:
                    raise RouteError(
                        f"topic filter {route.topic_filter!r} already has a route: change or remove that one"
                    )
                raise RouteError(
                    f"topic filters {route.topic_filter!r} and {other.topic_filter!r} match topics in common and are equally "
                    "specific: write a literal level in place of a wildcard in one of them"
                )

    def matching(self, topic: str) -> tuple[Route, ...]:
        """Give all routes whose filters match a topic, the most specific first: the one that `resolve` gives."""
        return tuple(route for route in self.routes if matches(route.topic_filter, topic))

    def resolve(self, topic: str) -> Route | None:
        """Give the route of a topic; `None` where no filter matches."""
        try:
            return self._cache[topic]
        except KeyError:
            pass
        route = self._literal.get(topic)
        if route is None:
            levels = topic.split("/")
            route = next((route for filter_levels, route in self._routes if _matches(filter_levels, levels)), None)
        if len(topic) <= _MAX_CACHED_TOPIC_CHARACTERS:
            if len(self._cache) >= MAX_CACHED_TOPICS:
                self._cache.clear()
            self._cache[topic] = route
        return route
