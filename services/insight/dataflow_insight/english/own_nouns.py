"""Says what a contract calls its devices ("vehicles", "zones") in the word that is read for any of them."""

import re
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.catalogue.concepts import CONCEPTS
from dataflow_insight.english.lexicon import DEVICE_NOUN, READING_NOUN, protected
from dataflow_insight.english.vocabulary import GROUPS

_MIN_LETTERS: Final = 4
_BRACKETED: Final = r"\([^()]*\)"
_QUANTITIES: Final = frozenset(
    word
    for phrases in (*(concept.phrases for concept in CONCEPTS), *(phrases for phrases, _ in GROUPS))
    for phrase in phrases
    for word in phrase.split()
)


def own_nouns(contract: Contract) -> frozenset[str]:
    """Returns the plurals by which a contract's description speaks of all its devices.

    Words in brackets are left out: "vehicles (trucks, vans)" are kinds of them. So are names of fields and quantities, and
    what only some devices are called.
    """
    spoken = re.sub(_BRACKETED, " ", f"{contract.name} {contract.description}".casefold().replace("_", " "))
    fields = {word for item in contract.fields for word in re.findall(r"[^\W\d_]+", item.name.casefold())}
    return frozenset(
        word
        for word in re.findall(rf"[^\W\d_]{{{_MIN_LETTERS},}}s\b", spoken)
        if not word.endswith("ss")
        and (re.fullmatch(DEVICE_NOUN, word) or not (protected(word) or protected(word.removesuffix("s"))))
        and re.fullmatch(READING_NOUN, word) is None
        and fields.isdisjoint({word, word.removesuffix("s")})
        and _QUANTITIES.isdisjoint({word, word.removesuffix("s")})
        and not is_kind(word, contract)
    )


def with_devices(question: str, contract: Contract) -> tuple[str, bool]:
    """Returns the question with "device" in place of the contract's own nouns, and whether it has any of them.

    A noun within the name of a device stays.
    """
    nouns = own_nouns(contract)
    if not nouns:
        return question, False
    words = "|".join(re.escape(noun.removesuffix("s")) for noun in sorted(nouns))
    names = "|".join(re.escape(device) for device in contract.devices if re.search(words, device.casefold()))
    pattern = rf"(?<!time\s)\b(?:{words})(?P<many>s?)\b(?![-_#]|\s+\d)"
    used = False

    def put(found: re.Match[str]) -> str:
        nonlocal used
        if found.lastgroup != "many":
            return found.group()
        used = True
        if re.fullmatch(DEVICE_NOUN, found.group().casefold()):
            return found.group()
        return f"device{found['many']}"

    return re.sub(f"(?:{names})|{pattern}" if names else pattern, put, question, flags=re.IGNORECASE), used


def is_kind(word: str, contract: Contract) -> bool:
    """Returns whether some devices, but not all, are numbered under a noun ("truck-01" beside "van-7").

    "Trucks" is then no word for all of them.
    """
    stems = "|".join(re.escape(stem) for stem in {word, word.removesuffix("s"), word.removesuffix("es")})
    numbered = [device for device in contract.devices if re.match(rf"(?:{stems})[-_ #.]*\d", device.casefold())]
    return 0 < len(numbered) < len(contract.devices)
