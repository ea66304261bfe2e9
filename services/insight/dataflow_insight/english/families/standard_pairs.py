"""Says which measure is of which field where a question names several of either."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.families.standard_measures import Word
from dataflow_insight.english.refusals import Refusal, unclear
from dataflow_insight.english.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Named:
    """A field and where the question names it; an end of 0 for a field that is only implied."""

    field: Field
    start: int
    end: int = 0


_LIST: Final = (
    r"(?:[\s,;:/&+()\ue000-\uf8ff]|\b(?:and|plus|as|well|also|together|along|with\s+the|the|of|its|their|at|in|for|from|on|values?|levels?|readings?|concentrations?|"
    r"was|were|is|are|a|an|what|how|both|then|me|give|show|tell)\b)*"
)


_CONNECTED: Final = r"[,;/&+]|\b(?:and|plus|as\s+well\s+as|both)\b"


def check_list_of_fields(sheet: Sheet, fields: list[Named]) -> None:
    """Refuses fields that are not named side by side: one of them may be a condition ("average PM2.5 when it rains").

    Raises:
        Refusal: Words between two fields do not make a list.
    """
    for left, right in pairwise(sorted(fields, key=lambda named: named.start)):
        between = sheet.visible[left.end : right.start]
        nested = re.search(r"\b(?:of|at|in|for|from|on)\b", between) and not re.search(_CONNECTED, between)
        if left.end and right.end and (nested or re.fullmatch(_LIST, between) is None):
            raise Refusal(unclear("It is not clear how the fields belong together."))


def pairs(words: list[Word], fields: list[Named]) -> list[tuple[Word, Field]]:
    """Returns each measure with its field, in the order of the question.

    "average temperature and humidity" is two averages, "minimum and maximum of temperature" two measures of one field,
    "average temperature and maximum humidity" goes in pairs, "temperature: mean, max" too.

    Args:
        words: The measures, at least one, in the order of the question.
        fields: The fields, at least one, in the order of the question.
    """
    if words[0].start < fields[0].start or words[0].start > fields[-1].start or len(fields) == 1 or len(words) == 1:
        return _runs_of_words(words, fields)
    return _runs_of_fields(words, fields)


def _runs_of_words(words: list[Word], fields: list[Named]) -> list[tuple[Word, Field]]:
    """Gives each run of measures the run of fields behind it."""
    if words[0].start > fields[-1].start or len(fields) == 1 or len(words) == 1:
        return [(word, named.field) for named in fields for word in words]
    found: list[tuple[Word, Field]] = []
    run: list[Word] = []
    open_run = True
    rest = list(words)
    for named in fields:
        while rest and rest[0].start < named.start:
            if not open_run:
                run, open_run = [], True
            run.append(rest.pop(0))
        open_run = False
        found += [(word, named.field) for word in run]
    # "… and its maximum"
    found += [(word, fields[-1].field) for word in rest]
    return found


def _runs_of_fields(words: list[Word], fields: list[Named]) -> list[tuple[Word, Field]]:
    """Gives each run of fields the run of measures behind it."""
    found: list[tuple[Word, Field]] = []
    for index, named in enumerate(fields):
        after = [word for word in words if word.start > named.start]
        next_field = next(
            (other.start for other in fields[index + 1 :] if after and other.start > after[0].start), None
        )
        run = [word for word in after if next_field is None or word.start < next_field] or words[-1:]
        found += [(word, named.field) for word in run]
    return found
