"""The words that a question may be made of: what they ask for, what cannot be computed yet, and what means nothing.

A question is answered only when every word of it is here, or names a field, a device, a contract, a time or a number.
"""

import re
from typing import Final

DEVICE_NOUN: Final = (
    r"(?:stations?|sensors?|devices?|sites?|locations?|places?|rooms?|nodes?|monitors?|machines?|units?|meters?|spots?)"
)
"""What a device is called."""

READING_NOUN: Final = (
    r"(?:readings?|rows?|records?|measurements?|data\s?points?|observations?|samples?|messages?|entries|values?|"
    r"reports?|data)"
)
"""What a reading is called."""

HOSTILE: Final = (
    r"\b(?:ignore|disregard|forget|override|bypass|pretend|jailbreak|instructions?|prompts?|passwords?|passwd|secrets?|"
    r"credentials?|tokens?|api\s?keys?|connection\s?strings?|dsn|drop\s+(?:table|schema|database|role)|delete|truncate|"
    r"insert|alter|grant|revoke|update|execute|exec|select|union|pg_\w+|information_schema|sudo|shell|script|"
    r"javascript|rm|reveal|admin|root)\b|--|/\*|<\s*/?\s*[a-z]+|\$\{|\{\{|;\s*\w+\s+(?:table|from|into)"
)
"""Instructions and code: never part of a question about readings."""

FUTURE: Final = (
    r"\b(?:will|tomorrow|tomorrow's|forecasts?|forecasted|predict\w*|prediction\w*|future|upcoming|going\s+to|gonna|"
    r"next\s+(?:\w+\s+)?(?:minutes?|hours?|days?|weeks?|months?|years?|weekend|night|morning|evening|monday|tuesday|"
    r"wednesday|thursday|friday|saturday|sunday)|expect\w*|shall|soon|later\s+(?:today|this)|extrapolat\w*|projection)\b"
)
"""What asks about times that no reading has."""

NOT_YET: Final[tuple[tuple[str, str], ...]] = (
    (r"\bmedians?\b|\bpercentiles?\b|\bquantiles?\b|\bquartiles?\b|\bdeciles?\b|\b\d+th\s+percentile", "medians and percentiles"),
    (r"\bstandard\s+deviations?\b|\bstd\s?devs?\b|\bstd\b|\bstddev\b|\bdeviations?\b|\bvariances?\b|\bspread\b|\bvariability\b|\bvolatil\w+|\bvar(?:y|ies|ied)\b", "spread"),
    (r"\bhour[- ]to[- ]hour\b|\bday[- ]to[- ]day\b|\bincreas\w*|\bdecreas\w*|\bris(?:e|es|ing|en)\b|\brose\b|\bdrops?\b|\bdropped\b|\bjump\w*|\bchang(?:e|es|ed|ing)\b|\bdifferen\w*|\bdiffer\b|\bdeltas?\b|\bspikes?\b|\bgap between\b|\bgr(?:ow|ew|owth)\w*|\bdecline[ds]?\b|\bswings?\b|\bfluctuat\w*", "changes and differences"),
    (r"\btrends?\b|\bcorrelat\w*|\bover time\b|\brolling\b|\bmoving\b|\bcumulative\b|\bregression\b|\bdevelop\w*|\bevol\w+", "trends and correlations"),
    (r"\bconsecutive\w*|\bin a row\b|\bstreaks?\b|\blongest\b|\bshortest\b|\bcontinuous\w*|\bat a time\b", "unbroken runs"),
    (r"\bhourly\b|\bdaily\b|\bweekly\b|\bmonthly\b|\byearly\b|\bannual\w*|\b(?:per|each|every|by)\s+(?:single\s+)?(?:calendar\s+)?(?:minute|hour|day|week|month|year|weekday|morning|night|date)s?\b|\ba\s+day\b|\bhours? of (?:the )?day\b|\btime of day\b|\bday by day\b|\bdays of the week\b|\bweekdays?\b|\bweekends?\b", "answers by hour, day or week"),
    (r"\b(?:how many|number of|count(?: of)?(?: the)?|(?:on|for) how many)\s+(?:different\s+|distinct\s+|whole\s+|full\s+)?(?:days?|dates?|weeks?|months?|nights?|mornings?)\b", "counts of days"),
    (r"\bratios?\b|\bpercentages?\b|\bpercent of\b|%\s+of\b|\bshares?\b|\bfractions?\b|\bproportions?\b|\brates?\b|\btwice\b|\bdouble\b|\btriple\b|\bhalf\b|\btimes (?:as|higher|more|lower)\b|\bpart of\b|\bmajority\b|\bdivided\b|\bminus the\b|\bplus\b|\bmultipl\w+", "shares and ratios"),
    (r"\b(?:above|below|over|under|than|exceed\w*|from|to)\s+(?:the\s+|its\s+|their\s+|an?\s+)?(?:overall\s+)?(?:average|mean|normal|usual|limit|threshold)\b|\babove-average\b|\bbelow-average\b", "comparisons with an average"),
    (r"\bmost (?:common|frequent|often|typical)\w*|\bmodes?\b|\btypical\w*|\busual\w*|\bdistinct\b|\bunique\b|\bhistograms?\b|\bdistribution\b|\bdominant\b|\bprevail\w+", "the most frequent value"),
    (r"\bexcept\b|\bexcluding\b|\bother than\b|\bapart from\b|\bbesides\b|\bnot (?:counting|including)\b|\bleaving out\b|\bexclude[ds]?\b|\bbut not\b", "exclusions"),
    (r"\banomal\w*|\boutliers?\b|\bunusual\w*|\babnormal\w*|\bsuspicious\w*|\bstrange\w*|\bsummar\w+|\boverview\b", "anomalies and summaries"),
    (r"\bwhy\b|\bcaus(?:e|es|ed|ing)\b|\breasons?\b|\bexplain\w*|\bhow come\b|\bshould\b|\brecommend\w*|\bsafe\b|\bhealthy\b|\bunhealthy\b|\bdangerous\b", "reasons and advice"),
    (r"\b(?:second|third|fourth|fifth|2nd|3rd|4th|5th)[- ](?:to[- ]last|last)\b", "places in a sequence"),
    (r"\broot mean square\b|\brms\b|\bgeometric\b|\bharmonic\b|\bweighted\b|\btrimmed\b|\bintegral\b|\bsquare[ds]?\b|\blog\b|\blogarithm\b|\babsolute\b|\bmidrange\b|\bnormali[sz]ed\b", "that kind of average"),
)
"""What is understood but cannot be computed by a plan yet: pattern and how to call it."""

FILLERS: Final = frozenset(
    """
    a an the of to in on at by for from with and & is was were are be been being am i'm
    s what what's whats which who who's did does do done have has had having it its it's their theirs them they
    that this these those there here as so please kindly pls show me give tell us list display print report reports reported
    reporting record records recorded recording measure measures measured measuring measurement measurements value values
    reading readings level levels concentration concentrations data datum observed observation observations observe
    registered register seen see sent send sends sending received receive receives delivered deliver transmitted transmit
    posted published submitted submit produced produce got get gets logged log logs collected collect detected detect
    stored store saved arrived arrive came come occurred occur happened happen experienced experience
    can could you i i'd we want would like know need find out look up compute calculate determine return provide
    question answer hi hello hey thanks thank my our your over across among throughout within during any all ever entire
    whole full complete period dataset set database total totally overall altogether combined together both only
    just exactly recordings figure figures number numbers quantity result results name names id ids one ones time times
    timestamp timestamps utc z gmt point points row rows sample samples message messages entry entries
    according regarding concerning about given also air d ll re ve m
    station stations sensor sensors device devices site sites location locations place places room rooms node nodes
    monitor monitors machine machines unit units meter meters spot spots where when contract table available present
    exist exists existing known system ok okay well then individual respective respectively stand stood say
    says said available far fell fallen if while whose whenever go went gone let lets
    obtained obtain read reads taken take contained contain contains hold holds held included include includes reach reached reaches hit hits
    """.split()
)
"""Words that change nothing. Negations, comparisons, exclusions and 'or' are not among them, and must not be."""

CORE_WORDS: Final = frozenset(
    """
    average highest lowest maximum minimum missing latest newest largest smallest greatest readings reading station
    stations sensor sensors device devices number hours values value between above below exceeded exceed exceeds
    january february april june july august september october november december monday tuesday wednesday thursday friday
    saturday sunday yesterday today total count period recorded reported measured measurements timestamp which during
    warmest coldest hottest
    """.split()
)
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
            r"least|fewest|weakest|sum|sums|amount|accumulated|last|recent|current|now|moment|null|nulls|empty|gaps?|absent|"
            r"lack\w*|without|no|not|never|none|nor|neither|or|than|more|less|fewer|greater|higher|lower|larger|smaller|"
            r"bigger|warmer|hotter|colder|cooler|stronger|weaker|over|under|least|equal\w*|reach\w*|surpass\w*|beyond|"
            r"cover\w*|span\w*|start\w*|begin\w*|began|end|ends|ended|first|earliest|oldest|each|every|per|rank\w*|order\w*|"
            r"sort\w*|bottom|best|worst|warm|hot|cold|cool|wind\w*|rain\w*|night|morning|afternoon|evening|noon|midnight|"
            r"week|weeks|month|months|year|years|day|days|hour|minute|minutes|second|seconds|ago|since|until|till|before|"
            r"after|through|compare|compared|versus|vs|freezing|negative|positive|point|degree|degrees|jan|feb|mar|apr|"
            r"may|jun|jul|aug|sept?|oct|nov|dec|march|last|past|previous|often|frequently|long|unavailable"
)

_MEANINGFUL: Final = re.compile("|".join([_ORDINARY.pattern, FUTURE, HOSTILE, *(pattern for pattern, _ in NOT_YET)]))
