"""Says what was used, driven or produced in terms of the counter that a contract has for it: the change of its value."""

import re
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field
from dataflow_insight.catalogue.concepts import canonical_unit
from dataflow_insight.english.lexicon import DEVICE_NOUN

_COUNTS_ON: Final = re.compile(
    r"\bcounter\b|\b(?:energy|water|gas|flow|heat|electricity|hour)\s+meter\b|\bcumulative\b|\bodometer\b|\btotali[sz]er\b|\brunning\s+total\b"
)
_DISTANCE: Final = frozenset({"km", "m", "mi", "miles"})
_ENERGY: Final = frozenset({"kwh", "wh", "mwh"})
_LONG: Final = frozenset({"km", "kilometres", "kilometers", "miles", "distance", "mileage"})
_VERB: Final = r"(?:us(?:es?|ed)|consum(?:es?|ed)|draws?|drew|drawn|produc(?:es?|ed)|generat(?:es?|ed)|burn(?:s|ed|t)?|need(?:s|ed)?)"
_GOES: Final = r"(?:driv(?:es?|en)|drove|travel(?:s|led|ed)?|cover(?:s|ed)?|went|go(?:es|ne)?|mov(?:es?|ed))"
_OF_ALL: Final = (
    rf"(?:(?:each|every|all)\s+(?:of\s+)?(?:the\s+)?{DEVICE_NOUN}|(?:the\s+)?(?!unit\b){DEVICE_NOUN}|we|they|it\s+all)"
)


def with_changes(question: str, contract: Contract, assumptions: list[str]) -> str:
    """Returns the question with "change of energy" for "energy used", where the contract's energy counts on.

    Args:
        question: With the contract's own nouns put into "device".
        contract: Its descriptions say what is a counter.
        assumptions: Gets what was taken for a change.
    """
    for item in contract.fields:
        if not item.kind.numeric or _COUNTS_ON.search(f"{item.name} {item.description}".casefold()) is None:
            continue
        changed = _changed(question, item, contract.name)
        if changed != question:
            assumptions.append(f"{item.name} counts on: what came to it is its last value less the first")
            return changed
    return question


def _changed(question: str, item: Field, contract: str) -> str:
    unit = canonical_unit(item.unit)
    nouns = {re.escape(item.name.rsplit("/", 1)[-1].replace("_", " "))}
    verb = _VERB
    if unit in _DISTANCE:
        nouns, verb = nouns | _LONG, _GOES
    elif unit in _ENERGY:
        nouns |= {"energy", "electricity", "kwh", "kilowatt[ -]hours"}
    noun = rf"(?:{'|'.join(sorted(nouns, key=len, reverse=True))})"
    far = r"far|" if unit in _DISTANCE else ""
    everyone = rf"(?:{_OF_ALL}|(?:the\s+)?(?:whole\s+)?{re.escape(contract)})"

    def whose(found: re.Match[str]) -> str:
        if re.fullmatch(everyone, found["who"], re.IGNORECASE):
            return f"change of {item.name} per device"
        return f"by how much did the {item.name} of {found['who']} change"

    question = re.sub(
        rf"\bhow\s+(?:{far}(?:much|many)\s+{noun})\s+(?:did|does|has|have|was|were)\s+(?P<who>[^?,]+?)\s+{verb}\b",
        whose,
        question,
        flags=re.IGNORECASE,
    )
    question = re.sub(
        rf"\bwhich\s+(?P<noun>{DEVICE_NOUN})\s+(?:has\s+|had\s+)?{verb}\s+(?:the\s+)?(?P<most>most|least|farthest|furthest)(?:\s+{noun})?\b",
        lambda found: f"which {found['noun']}'s {item.name} rose {'least' if found['most'] == 'least' else 'most'}",
        question,
        flags=re.IGNORECASE,
    )
    return re.sub(
        rf"\b(?:(?P<total>total|overall)\s+)?{noun}\s+(?:consumption|usage|use|{verb})\b(?:\s+(?P<by>by|of|for)\b(?:\s+(?P<all>{everyone})\b)?)?",
        lambda found: (
            f"change of {item.name} "
            + ("per device" if found["all"] or not (found["by"] or _names_device(question)) else "of")
        ),
        question,
        flags=re.IGNORECASE,
    )


def _names_device(question: str) -> bool:
    return re.search(rf"\bper\s+{DEVICE_NOUN}|\b(?:each|every)\s+{DEVICE_NOUN}", question, re.IGNORECASE) is not None
