"""The words that a question may be made of.

A question is answered only when every word of it is here, or names a field, a device, a contract, a time or a number.
"""

import re
from typing import Final

from dataflow_insight.english.family_words import FAMILY_WORDS
from dataflow_insight.english.fillers import FILLERS
from dataflow_insight.english.refused import FUTURE, HOSTILE, NOT_YET

DEVICE_NOUN: Final = (
    r"(?:stations?|sensors?|devices?|sites?|locations?|places?|rooms?|nodes?|monitors?|machines?|units?|meters?|spots?)"
)
"""What a device is called."""

READING_NOUN: Final = (
    r"(?:readings?|rows?|records?|measurements?|data\s?points?|observations?|samples?|messages?|entries|values?|"
    r"reports?|data)"
)
"""What a reading is called."""

_CORE: Final = (
    "colder difference differences fraction greater higher hotter interruption lower relationship streak "
    "uninterrupted warmer polluted cleanest dirtiest purest foulest dominates dominated prevails prevailed depends variable surpassed "
    "above after afternoon april august average averaged averages before below between biggest brightest "
    "calmest celsius change changed chilliest coldest common compare compared consecutive coolest correlated "
    "correlation count daily darkest december decrease degrees deviation device devices different distinct "
    "dominant driest during evening exceed exceeded exceeding exceeds fahrenheit february fifth first fourth "
    "frequent frequently friday greatest highest hottest hourly hours humid humidity increase january july "
    "june largest latest longest loudest lowest maximum measured measurements median minimum missing monday "
    "month monthly months morning newest night nights noisiest november number occupied october pattern people "
    "percent percentage percentile percentiles period pressure prevailing profile quantile quartile quietest "
    "rainiest range ranked ranking reading readings recorded reported saturday second sensor sensors september "
    "share shortest smallest sorted spread standard station stations strongest sunday temperature third "
    "threshold thursday timestamp today total tuesday typical typically unique value values warmest weakest "
    "wednesday week weekday weekdays weekend weekends weekly weeks wettest which windiest yesterday "
)
CORE_WORDS: Final = frozenset(_CORE.split())
"""Words whose misspelling is worth seeing."""

NUMBER_WORDS: Final = {
    word: value
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
}
"""Numbers that people write as words."""

ORDINALS: Final = {
    "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5,
}  # fmt: skip
"""Places in a ranking after the first."""


def protected(word: str) -> bool:
    """Returns whether a word already means something here, so that it is never taken for a misspelling."""
    return word in FILLERS or word in CORE_WORDS or word in NUMBER_WORDS or _MEANINGFUL.fullmatch(word) is not None


def common(word: str) -> bool:
    """Returns whether a word is so ordinary that a device of that name must be introduced as one ("device max")."""
    return word in FILLERS or word in CORE_WORDS or word in NUMBER_WORDS or _ORDINARY.fullmatch(word) is not None


_ORDINARY: Final = re.compile(
    r"many|much|how|mean|avg|averages?|averaged|max|maxim\w+|peak\w*|biggest|tallest|strongest|most|top|min|minim\w+|"
    r"least|fewest|weakest|sum|sums|amount|accumulated|last|recent|recently|current|currently|presently|now|moment|null|nulls|empty|gaps?|absent|"
    r"lack\w*|without|no|not|never|none|nor|neither|or|than|more|less|fewer|greater|higher|lower|larger|smaller|"
    r"bigger|warmer|hotter|colder|cooler|stronger|weaker|over|under|least|equal\w*|reach\w*|surpass\w*|beyond|"
    r"cover\w*|span\w*|start\w*|begin\w*|began|end|ends|ended|first|earliest|oldest|each|every|per|rank\w*|order\w*|"
    r"sort\w*|bottom|best|worst|warm|hot|cold|cool|wind\w*|rain\w*|nights?|mornings?|afternoons?|evenings?|workdays?|darkness|course|noon|midnight|"
    r"week|weeks|month|months|year|years|day|days|hour|minute|minutes|second|seconds|ago|since|until|till|before|"
    r"after|through|compare|compared|versus|vs|freezing|negative|positive|point|degree|degrees|jan|feb|mar|apr|"
    r"may|jun|jul|aug|sept?|oct|nov|dec|march|last|past|previous|often|frequently|long|unavailable"
)

_MEANINGFUL: Final = re.compile(
    "|".join([_ORDINARY.pattern, FAMILY_WORDS, FUTURE, HOSTILE, *(pattern for pattern, _ in NOT_YET)])
)
