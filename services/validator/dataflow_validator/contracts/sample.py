"""A sample of messages: what of it a route and a person must know. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dataflow_validator.contracts.guesses import DEVICE_LEVELS, DEVICE_NAMES, rank
from dataflow_validator.contracts.profile import MAX_FIELDS, Profile, SeenField

FEW_ITEMS: Final = 50
"""Below this a sample is small: what it does not show may still come."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the sample.

    Attributes:
        topic: Where it was published.
        payload: Its bytes.
        device_id: What its sender was authenticated as; empty where it was not.
        receive_time: When it arrived.
    """

    topic: str
    payload: bytes
    device_id: str
    receive_time: datetime


def device_rule(topic_filter: str, messages: Sequence[Message], profile: Profile) -> tuple[str, str]:
    """Proposes how a route finds the device, and says why so.

    Args:
        topic_filter: Of the route.
        messages: The sample.
        profile: Its items.
    """
    varying = _varying_level(topic_filter, messages)
    if varying is not None:
        level, count = varying
        return f"topic:{level}", f"level {level} of the topic, {count} {'value' if count == 1 else 'values'} seen"
    candidates = []
    for seen in profile.leaves():
        place = rank(seen.tokens[-1], DEVICE_NAMES)
        if (
            place < len(DEVICE_NAMES)
            and seen.present == profile.items
            and seen.kinds <= {"string", "integer"}
            and seen.kinds
        ):
            # A value that never comes twice numbers messages, not devices.
            if profile.items >= FEW_ITEMS and not seen.more_values and seen.distinct == profile.items:
                continue
            candidates.append((place, len(seen.tokens), seen))
    if candidates:
        seen = min(candidates, key=lambda one: one[:2])[2]
        values = f"{'more than ' if seen.more_values else ''}{seen.distinct} values seen"
        return f"payload:{pointer_text(seen)}", f"member {seen.name!r}, by its name; {values}"
    if messages and all(message.device_id for message in messages):
        return "identity", "every message came from an authenticated device"
    levels = topic_filter.split("/")
    if "+" in levels:
        return f"topic:{levels.index('+') + 1}", "the first '+' of the filter"
    return "identity", "nothing in topic or payload names a device: choose one with --device"


def _varying_level(topic_filter: str, messages: Sequence[Message]) -> tuple[int, int] | None:
    """Finds the topic level that tells devices apart: below "devices" or the like, else the one with most values."""
    split = [message.topic.split("/") for message in {message.topic: message for message in messages}.values()]
    if not split:
        return None
    levels = topic_filter.split("/")
    candidates = []
    for index in range(min(len(topic) for topic in split)):
        wild = index >= len(levels) - (levels[-1] == "#") or levels[index] == "+"
        values = {topic[index] for topic in split}
        named = index > 0 and all(topic[index - 1].lower() in DEVICE_LEVELS for topic in split)
        if wild and "" not in values and (named or len(values) > 1):
            candidates.append((named, len(values), -index))
    if not candidates:
        return None
    _, count, index = max(candidates)
    return 1 - index, count


def warnings_of(
    profile: Profile, shape_topics: dict[frozenset[str], Counter[str]], unparsable: int, scalars: int
) -> list[str]:
    """Says what a person should know of the sample before saying yes.

    Args:
        profile: The items.
        shape_topics: On which topics each shape came, and how often.
        unparsable: Messages that are no JSON.
        scalars: Items that are no objects.
    """
    found = []
    if not profile.items:
        found.append("no JSON object was seen: there is nothing to propose fields from")
    elif profile.items < FEW_ITEMS:
        found.append(f"only {profile.items} items were seen: what they do not show may still come")
    if unparsable:
        found.append(f"{unparsable} messages are no JSON and would be quarantined")
    if scalars:
        found.append(f"{scalars} items are no objects and would be quarantined")
    if profile.left_out:
        found.append(f"more than {MAX_FIELDS} members: keys may be data here; the others are kept in `extra`")
    if mixed := _mixed_shapes(profile, shape_topics):
        found.append(mixed)
    return found


def _mixed_shapes(profile: Profile, shape_topics: dict[frozenset[str], Counter[str]]) -> str:
    """Says when two kinds of items share the filter, and by which topics they can be told apart."""
    common = [shape for shape, count in profile.shapes.most_common(8) if count * 10 >= profile.items]
    for position, one in enumerate(common):
        for other in common[position + 1 :]:
            if len(one & other) * 2 < min(len(one), len(other)):
                first, second = shape_topics[one], shape_topics[other]
                what = f"two shapes that share little: {_names(one)} and {_names(other)}"
                if not first.keys() & second.keys():
                    return (
                        f"{what}; make a contract for each, by topic: {first.most_common(1)[0][0]!r} has the first, "
                        f"{second.most_common(1)[0][0]!r} the second"
                    )
                return f"{what}, on the same topics: every member becomes optional, and little is checked"
    return ""


def _names(shape: frozenset[str]) -> str:
    names = sorted(shape)
    return "{" + ", ".join(names[:5]) + (", …" if len(names) > 5 else "") + "}"


def pointer_text(seen: SeenField) -> str:
    """Gives a member's JSON pointer."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in seen.tokens)
