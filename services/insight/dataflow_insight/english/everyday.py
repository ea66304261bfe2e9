"""Says everyday turns of phrase in the words that the families read: "comes second", "hit rock bottom", "frost days (…)"."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from dataflow_insight.catalogue.concepts import UNITS
from dataflow_insight.english.everyday_adjectives import DOWN, UP, by_its_field
from dataflow_insight.english.lexicon import DEVICE_NOUN, READING_NOUN
from dataflow_insight.english.rewriting import rewritten, rules

_ORDINAL: Final = r"(?P<place>second|third|fourth|fifth|2nd|3rd|4th|5th)"
_LIMIT: Final = r"(?:above|below|over|under|of|at|less|more|higher|lower|between|greater|exceed\w*|[<>=\d-])"
_UNIT: Final = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True) if len(unit) > 1)
_ENDS: Final = (
    r"(?:best|worst|cleanest|dirtiest|highest|lowest|top|bottom|warmest|coldest|most\s+polluted|least\s+polluted)"
)
_NAMED_HOURS: Final = r"(?:rush|working|work|office|business|peak|school|opening|core)[\s-]*hours?"
_SOME: Final = r"(?:[2-9]|[1-9]\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)"
_ABOUT: Final = r"(?P<about>(?:(?!\b(?:what|which|how|the\s+fact|that)\b)[^.?!,;:]){1,40}?)"
_NUMBER: Final = r"-?\d+(?:\.\d+)?"

_PLAIN: Final = rules(
    # Shorthand.
    (r"(?<!\S)w/o(?=\s)", "without"),
    (r"(?<!\S)w/(?=\s?\w)", "with "),
    (r"(?<!\S)b/w(?=\s)", "between"),
    (r"\b(?P<way>top|bottom)(?P<n>\d{1,3})(?=\s)", r"\g<way> \g<n>"),
    (r"\bcount\s*\(\s*\*?\s*\)", "number of readings"),
    (rf"(?P<head>(?<![\w.])(?:top\s+|bottom\s+)?{_SOME}\s+(?:{UP}|{DOWN}|hottest|coldest|warmest|strongest|single)?[^?]{{0,40}}?\b(?:{READING_NOUN}|temperatures)\b[^?]*?),?\s*(?:with|and|including|plus)\s+(?:the\s+|their\s+)?(?:stations?|sites?|places?|locations?|where(?:\s+(?:they|it)\s+(?:were|was)\s+(?:measured|recorded|taken))?)(?:\s+and\s+(?:the\s+|their\s+)?(?:times?|dates?|when))?(?=\W*$)", r"\g<head>"),
    (r",?\s*\b(?:from\s+)?(?:the\s+)?high(?:est)?\s+to\s+(?:the\s+)?low(?:est)?(?=\W*$)", ", highest first"),
    (r",?\s*\b(?:from\s+)?(?:the\s+)?low(?:est)?\s+to\s+(?:the\s+)?high(?:est)?(?=\W*$)", ", lowest first"),
    (r"\s+desc(?:ending)?\W*$", ", highest first"),
    (r"\s+asc(?:ending)?\W*$", ", lowest first"),
    (r"\s*[,:;-]\s*what\s+(?:is|was)\s+(?:it|that)\W*$", "?"),
    # What it is all about, said first.
    (rf"^\W*(?:(?:now|so|ok|okay|well)\W+)?(?:let's|let\s+us)\s+(?:talk\s+about|look\s+at|turn\s+to|consider|take|focus\s+on)\s+{_ABOUT}[.,:;]\s+", r"for \g<about>, "),
    (rf"^\W*(?:think\s+(?:about|of)|consider|take)\s+{_ABOUT}(?:\s+for\s+a\s+(?:second|moment|minute))?[.:;]\s+", r"for \g<about>, "),
    (rf"^\W*(?:looking|focus(?:s?ing|sed)?|concentrating|turning|zooming)\s+(?:(?:only|just|in|solely)\s+)?(?:at|on|to)\s+(?:(?:only|just)\s+)?{_ABOUT}(?:\s+(?:only|alone))?,\s+", r"for \g<about>, "),
    (rf"^\W*(?:considering|counting|using|taking)\s+(?:only|just|solely)\s+{_ABOUT},\s+", r"for \g<about>, "),
    (r"(?<!which )(?<!what )(?<!each )(?<!every )(?<!per )(?<!by )\bday[\s-]+average\b", "daily average"),
    (r"\b(?:coldest|coolest|chilliest)\s+(?P<noun>readings?|measurements?|values?|records?)\b", r"lowest temperature \g<noun>"),
    (r"\b(?:warmest|hottest)\s+(?P<noun>readings?|measurements?|values?|records?)\b", r"highest temperature \g<noun>"),
    # All of them, together.
    (r"\b(?:network|city|fleet|grid|system|site|building|house|plant)[\s-]*wide\b|\b(?:over|across|for)\s+(?:absolutely\s+)?everything\b|\bacross\s+the\s+board\b", "over all stations"),
    (r"\b(?:over|across|throughout|for|in)\s+the\s+(?:whole|entire)\s+(?:city|network|fleet|region|area|system|building|house|plant|place)\b", "over all stations"),
    (rf"\b(?P<all>all\s+(?:of\s+)?(?:the\s+)?{DEVICE_NOUN}|every\s+{DEVICE_NOUN})\s+(?:pooled|lumped|taken|put|thrown|merged|mixed)(?:\s+together)?\b|\bpooled\s+(?:over|across)\s+(?P<all2>(?:all\s+)?(?:the\s+)?{DEVICE_NOUN})\b", r"over \g<all>\g<all2>"),
    (rf"\bpool(?:ing|ed)?\s+(?P<all>all\s+(?:of\s+)?(?:the\s+)?{DEVICE_NOUN})\b", r"over \g<all>"),
    (r"\ball\s+month(?:\s+long)?\b|\bthe\s+month\s+through\b", "over the whole month"),
    (r"\b(?P<what>(?:max\w*|min\w*|peak|highest|lowest|mean|average|median|largest|smallest|top|worst|coldest|warmest|hottest)\s+(?:(?!days?\b|weeks?\b|hours?\b|weekends?\b|half\b|of\b)[\w.]+\s+){0,3})of\s+the\s+month\b", r"\g<what>over the whole month"),
    (r"\b(?P<what>hours?\s+of\s+(?:the\s+)?day|weekday|day\s+of\s+the\s+week)\s*\(\s*(?:0|1|00|mon\w*)(?::00)?\s*(?:-|to|through|until)\s*(?:7|23|24|sun\w*)(?::00)?(?:\s*h)?\s*\)", r"\g<what>"),
    (rf"\b(?:in|at|for|of|from)\s+either\s+(?:of\s+the\s+(?:two\s+)?)?{DEVICE_NOUN}\b", "over all stations"),
    (r"\bhow\s+much\s+of\s+the\s+(?P<what>time|day|week|month|data|readings)\b", r"what share of the \g<what>"),
    (r"\b(?:the\s+)?(?:monitoring|recording|logging|data\s+collection|measuring)\s+(?:of\s+|at\s+|in\s+|for\s+)?(?=(?:\S+\s+){0,3}(?:start|begin|began|begun|end|stop|started|stopped|ended)\b)", "the readings of "),
    (rf"\b(?:in\s+|during\s+|at\s+)?(?:the\s+)?(?:(?:morning|evening|afternoon)\s+)?{_NAMED_HOURS}\s*(?:[(:,]|\bfrom\b|\bof\b)?\s*(?:from\s+)?(?P<first>\d{{1,2}})\s*(?:-|to|until|till)\s*(?P<last>\d{{1,2}})(?![\d:])(?:\s*h\b|\s*o'clock)?\s*\)?", r" from \g<first>:00 to \g<last>:00 "),
    # Numbers of things.
    (rf"\b(?P<ask>how\s+many|number\s+of)\s+(?P<what>{DEVICE_NOUN})\s+(?:are|were|is|was|have\s+been|do\s+(?:you|we)\s+have)\s+(?:currently\s+)?(?:installed|deployed|mounted|set\s+up|in\s+place|in\s+operation|in\s+service|listed|registered)\b(?:\s+(?:in\s+total|in\s+all|altogether|overall))?", r"\g<ask> \g<what> are there"),
    (rf"\b(?:actual|valid|usable|genuine|real|proper|non[\s-]?(?:blank|empty|null|missing)|filled(?:[\s-]in)?)\s+(?=(?:\S+\s+){{0,3}}?{READING_NOUN}\b)", ""),
    (r"\(\s*(?:not|no|without|excluding|ignoring|except)\s+(?:the\s+|counting\s+)?(?:blanks?|nulls?|empties|gaps|missing(?:\s+ones)?|empty(?:\s+ones)?)\s*\)|,\s*(?:(?:not|without|excluding|ignoring)\s+(?:counting\s+)?(?:the\s+)?(?:blanks|nulls|empties|empty\s+ones|missing\s+ones)|(?:blanks|nulls|empties)\s+(?:not\s+counted|excluded|ignored|left\s+out))", " "),
    (r"\bhow\s+often,?\s+in\s+(?P<unit>hours|days|minutes)\s*,?\s+", r"for how many \g<unit> "),
    (r"\b(?:(?:made|make|makes)\s+it\s+(?:in(?:to)?\s+)?(?:the\s+)?(?:database|data\s?set|archive|records|store|system)?|(?:is|are|was|were)\s+on\s+(?:file|record)|(?:did|have|has)\s+(?:end(?:ed)?|wound|wind)\s+up\s+in\s+the\s+(?:database|archive|records)|turn(?:s|ed)?\s+up|show(?:s|ed)?\s+up|crop(?:s|ped)?\s+up)\b", "are there"),
    (r"\b(?:phon(?:e|ed|es)|call(?:s|ed)?)\s+(?:home|in)\b|\bdial(?:s|ed|led)?\s+in\b|\bping(?:s|ed)?\b(?:\s+(?:us|home|back))?", "report"),
    (r"\bhow\s+(?:chilly|nippy|frosty|freezing|icy)\b", "how cold"),
    (r"\bhow\s+(?:toasty|balmy|boiling|baking|scorching|mild)\b", "how warm"),
    (r"\bhow\s+(?:gusty|stormy|blowy|blustery)\b", "how windy"),
    (r"\bhow\s+(?:muggy|clammy|sticky|moist)\b", "how humid"),
    (r"\b(?P<ask>what(?:'s|\s+is|\s+was))\s+the\s+(?:all[\s-]*time\s+)?record\s+(?:for|of)\b", r"\g<ask> the highest"),
    (r"\bat\s+(?:what|which)\s+(?:point|moment|instant|stage)(?:\s+in\s+time)?\s+(?=(?:was|did|were|is)\b)", "when "),
    (rf"\b(?:at\s+least\s+(?:one|a\s+single)|one\s+or\s+more)\s+(?=(?:\S+\s+){{0,2}}(?:{READING_NOUN})\b)", "a "),
    (r"\b(?:by\s+)?how\s+(?:much|far|many\s+\w+)\s+did\s+(?P<what>[^?]{1,40}?)\s+(?:swing|range)\b(?!\s+from\s+(?:one|hour|day))", r"what was the range of \g<what>"),
    (r"\bhow\s+far\s+(?P<what>(?:the\s+)?[\w.]+)\s+(?:ranged|swung)\b", r"the range of \g<what>"),
    (r"\b(?:the\s+)?thermometers?\b", "temperature"),
    (r"\b(?:the\s+)?anemometers?\b", "wind speed"),
    (r"\b(?:the\s+)?hygrometers?\b", "humidity"),
    (r"\b(?:the\s+)?rain\s+gauges?\b", "rain"),
    (r"\b(?:had|have|has|saw|see|with)\s+(?:no|not\s+a\s+single|zero)\s+(?P<what>[\w.]+)\s+(?:values?|readings?|measurements?)\s+(?P<way>above|over|below|under|beyond|exceeding|higher\s+than|lower\s+than)\s+(?=-?\d)", r"did \g<what> never go \g<way> "),
    # Missing values.
    (r"\b(?:portion|part|share|fraction|percentage|percent|proportion)\s+of\s+(?:the\s+|all\s+)?(?:readings|rows|records|hours|data)\s+(?P<where>(?:at|from|in|for)\s+\S+\s+)?(?:lacks?|lacked|is\s+without|are\s+without|have\s+no|has\s+no|miss(?:es|ed)?)\s+(?:a\s+|an\s+)?(?P<what>[\w.]+)(?:\s+(?:values?|readings?))?", r"share of the \g<what> values \g<where> is missing"),
    (r"\bin\s+how\s+many\s+(?:rows|records|readings|entries|cases)\s+(?:is|was|are|were)\s+(?:the\s+)?(?P<what>[\w.]+)(?:\s+(?:field|column|value))?\s+(?:empty|null|blank|missing|absent)\b", r"how many \g<what> values are missing"),
    (r"\b(?:that|which)\s+(?:are\s+not|aren't|is\s+not|isn't|were\s+not|weren't)\s+(?:missing|null|empty|blank)\b", ""),
    (r"\b(?:na's|nas|nans?|n/a'?s?)\b(?=\s+(?:in|for|are|does|do|at)\b)", "missing values"),
    (r"\bfail(?:s|ed)?\s+to\s+(?:report|deliver|record|measure|send)\s+(?:any\s+|an?\s+|its\s+)?(?P<what>[\w.]+)(?:\s+(?:values?|readings?))?", r"have missing \g<what> values"),
    (r"\beven\s+(?:one|a\s+single|1)\b(?=[^?]*\b(?:missing|blank|null|absent|empty)\b)", "any"),
    (r"^\W*(?:are|were|is|was)\s+there\s+(?:any\s+)?(?P<rest>[^?;]+?)\s*[?;,]\s*(?:and\s+)?(?:if\s+(?:so|yes)\s*,?\s*)?how\s+many(?:\s+(?:are|were)\s+(?:there|they|missing))?\W*$", r"how many \g<rest> are there?"),
    (r"^\W*(?:do|does|did)\s+(?P<who>[^?;]+?)\s+have\s+(?:any\s+)?(?P<rest>[^?;]+?)\s*[?;,]\s*(?:and\s+)?(?:if\s+(?:so|yes)\s*,?\s*)?how\s+many(?:\s+(?:are|were)\s+(?:there|they|missing))?\W*$", r"how many \g<rest> does \g<who> have?"),
    (r"^(?P<what>[^:;?,]+?)\s+(?:missing|blank|absent)\b(?P<rest>[^:;?]*)(?:[:;,]|\s-)\s*how\s+(?:many|often)\W*$", r"how many \g<what> values are missing\g<rest>"),
    (r"\b(?:blanks|blank\s+(?:values|cells|entries|readings)|empty\s+(?:cells|entries|values)|dud\s+(?:values|readings))\b(?!\s+(?:not|excluded))", "missing values"),
    (r"\b(?:(?:was|were|is|are)\s+(?:left\s+)?blank|came\s+(?:back|through|in|out)\s+(?:blank|empty))\b", "are missing"),
    (rf"\b(?:lost|loses?|missed|misses|dropped)\s+the\s+(?P<way>most|fewest|least)\s+(?=(?:\S+\s+){{0,3}}?(?:{READING_NOUN})\b)", r"has the \g<way> missing "),
    (rf"\bhow\s+many\s+(?P<what>(?:\S+\s+){{0,3}}?(?:{READING_NOUN}))\s+(?:did|does|has|have)\s+(?P<who>[^?]+?)\s+(?:lose|lost|miss(?:ed)?|fail(?:ed)?\s+to\s+(?:deliver|record|report|measure|send)|not\s+(?:deliver|record|report|measure|send))\b", r"how many missing \g<what> did \g<who> have"),
    (r"\bthe\s+(?P<what>[\w.]+)\s+column\b", r"\g<what>"),
    (r"\b(?:holes|blank\s+spots)\s+in\s+(?:its|the|their|our)\s+(?P<what>[\w.]+)\s+(?:data|series|record|readings|values|log)\b", r"missing \g<what> values"),
    (rf"\b(?P<what>(?:\S+\s+){{0,2}}?(?:{READING_NOUN}))\s+(?:failed|dropped\s+out|went\s+missing|got\s+lost|were\s+lost|are\s+lost|did\s+not\s+arrive|didn't\s+arrive|never\s+arrived)\b", r"\g<what> are missing"),
    # The highest, the lowest.
    (r"\bvery\s+(?=(?:highest|lowest|most|least|worst|best|largest|smallest|warmest|coldest|hottest|first|last|latest|max\w*|min\w*)\b)", ""),
    (r"\b(?:hit|hits|reach(?:es|ed)?|at|touch(?:es|ed)?)\s+(?:its\s+|their\s+|the\s+)?(?:absolute\s+)?rock[\s-]*bottom\b|\bbottom(?:s|ed)?\s+out\b", "reach its minimum"),
    (r"\brock[\s-]bottom\b", "lowest"),
    (r"\b(?:top(?:s|ped)?|max(?:es|ed)?)\s+out\b", "reach its maximum"),
    (r"\bhow\s+(?:low|cold|cool)\s+and\s+how\s+(?:high|hot|warm)\s+(?:did|does|has)\s+(?P<what>[^?]+?)\s+(?:go|get|gotten|gone|become|run|climb)\b", r"what were the lowest and the highest \g<what>"),
    (r"\bhow\s+(?:high|hot|warm)\s+and\s+how\s+(?:low|cold|cool)\s+(?:did|does|has)\s+(?P<what>[^?]+?)\s+(?:go|get|gotten|gone|become|run|drop|fall)\b", r"what were the highest and the lowest \g<what>"),
    (rf",?\s*\band\s+(?:how\s+many\s+(?:{_UNIT})|how\s+(?:much|bright|warm|cold|hot|loud|windy|bad))\s+(?:was|is|were)\s+(?:it|that|this)\b", ""),
    (r"\b(?P<what>temperature|temp|pressure|humidity|wind|rain|light|noise|co2|ozone|no2|so2|co|pm\s?2\.5|pm\s?10)[\s-]wise\b", r"\g<what>"),
    (r"(?P<wind>\bwind\b[^?]*\?[^?]*\b(?:of|in|for)\s+(?:the|its)\s+)speed\b", r"\g<wind>wind speed"),
    (rf"\b(?:how\s+far\s+apart\s+(?:are|were|lie|lay)|(?:what(?:'s|\s+is|\s+was)\s+)?the\s+(?:gap|difference|spread|distance)\s+between)\s+(?:the\s+)?{_ENDS}\s+and\s+(?:the\s+)?{_ENDS}\s+(?P<noun>station|site|sensor|device|room|machine|day|week|month)s?\s+(?:in|by|for|on|in\s+terms\s+of|when\s+it\s+comes\s+to)\s+(?:their\s+|its\s+)?(?P<measure>mean|average|median|total|maximum|minimum)\s+", r"what is the gap between the highest and the lowest \g<noun> \g<measure> of "),
    (r"(?<=\band the lowest )(?P<noun>\w+) average of ", r"\g<noun> mean of "),
    (r"\bhigh\s+point\b", "maximum"),
    (r"\blow\s+point\b", "minimum"),
    (r"\bto\s+(?:what|which)\s+(?:level|value|height)\s+did\s+(?P<what>[^?]{1,40}?)\s+(?:climb|rise|go|get|shoot)(?:\s+up)?\b", r"how high did \g<what> get"),
    (r"\bhow\s+much\s+(?P<what>[\w.]+)\s+at\s+(?:the\s+)?most\b", r"what was the highest \g<what>"),
    (r"(?P<asked>\bhow\s+(?:high|low|hot|cold|warm|bad|strong|windy|humid)\b[^?]*?)\s+at\s+(?:the\s+)?most(?=\W*$)", r"\g<asked>"),
    (r"\b(?:widest|broadest)\b", "largest"),
    (r"\bnarrowest\b", "smallest"),
    (r"\bdaily\s+lows?\b", "daily minimum"),
    (r"\bdaily\s+highs?\b", "daily maximum"),
    (r"^\W*how\s+about\s+", ""),
    (r"^\W*(?P<what>[^?,:;]{2,40}?)\s+(?P<be>was|is|were)\s+(?P<how>how\s+(?:high|low|bad|strong|warm|cold|hot|humid|windy))\b", r"\g<how> \g<be> \g<what>"),
    # Orders and places.
    (rf"(?P<chosen>\b(?:{UP}|{DOWN}|top|bottom|{_ENDS})\b[^?]*?),?\s*\(?\b(?:best|worst|top|biggest|winner|cleanest|dirtiest|strongest|warmest|coldest)\s+(?:one\s+)?first\b\)?", r"\g<chosen>"),
    (r"\b(?:dirtiest|most\s+polluted|strongest|biggest|worst)\s+(?:ones?\s+)?first\b", "highest first"),
    (r"\b(?:cleanest|least\s+polluted|calmest|weakest)\s+(?:ones?\s+)?first\b", "lowest first"),
    (r"\bfrom\s+(?:the\s+)?(?:cleanest|least\s+polluted|calmest|weakest)\s+to\s+(?:the\s+)?(?:dirtiest|most\s+polluted|windiest|worst|strongest)\b", ", lowest first"),
    (r"\bfrom\s+(?:the\s+)?(?:dirtiest|most\s+polluted|windiest|strongest)\s+to\s+(?:the\s+)?(?:cleanest|least\s+polluted|calmest|best|weakest)\b", ", highest first"),
    (rf"\b(?:takes|took|wins|won|wears|claims?|gets?|got)\s+the\s+(?:crown|title|prize|record|medal|lead|cake)\s+(?:for|in|of|with)\s+(?:the\s+)?(?=(?:{UP}|{DOWN})\b)", "has the "),
    (r",?\s*\(?\b(?:starting|beginning)\s+(?:with|from|at)\s+the\s+(?P<way>highest|lowest|largest|smallest|most|least)(?:\s+one)?\b\)?", r", \g<way> first"),
    (r"^\W*who\s+(?:comes?|came|ranks?|ranked|is|was|finishe[sd]|sits|places|placed)\s+(?:in\s+)?" + _ORDINAL + r"(?:\s+(?:place|position|spot))?\b", r"which station ranks \g<place>"),
    (rf"\b(?:is|was|comes?|came|sits|lands|finishe[sd]|takes|took|holds|held|stands)\s+(?:in\s+)?(?:the\s+)?{_ORDINAL}(?:\s+(?:place|position|spot))?(?=\s*(?:for|by|in\s+terms|on\s+average|with|when|going\s+by|judged|measured|[?,.]|$))", r"ranks \g<place>"),
    (rf"^\W*who(?:'s|\s+is|\s+has|\s+had|\s+got|\s+saw|\s+recorded|\s+measured)\s+(?P<got>got\s+)?(?=(?:the\s+)?(?:{UP}|{DOWN}|cleanest|dirtiest|most\s+polluted|warmest|coldest)\b)", "which station has "),
    (rf",?\s*\b(?:along\s+|together\s+)?with\s+(?:the|their|its|each)\s+(?:own\s+)?(?:values?|averages?|means?|figures?|numbers?|amounts?)(?:\s+(?:attached|next\s+to\s+(?:it|them)|each))?\b(?!\s+{_LIMIT})(?:\s*,)?", ""),
    # What usually is.
    (r"\btends?\s+to\s+come\s+from\b", "mostly comes from"),
    # How an answer is to look.
    (r"(?:[.?!;,]|\s-)\s*(?:please\s+)?(?:give|state|name|show|return|report|answer\s+with|reply\s+with|answer|tell\s+me)\s+(?:me\s+)?(?:just\s+|only\s+)?(?:the\s+)?(?:(?:start\s+)?dates?\s+of\s+(?:the|that|its)\s+(?:mondays?|first\s+day|start)|mondays?(?:'s)?\s+dates?|mondays?|start(?:ing)?\s+dates?|dates?|first\s+day(?:\s+of\s+(?:the|that)\s+week)?|day|station|name|number|value|figure|(?:one|a\s+single)\s+(?:number|value|word|name)|yes\s+or\s+no)(?:\s+(?:please|only))?\W*$", ""),
    (r"(?:[.?!;,]|\s-)\s*(?:just|only)\s+(?:the|a|one)\s+(?:number|value|figure|name|date|answer)(?:\s+please)?\W*$", ""),
    (rf",\s*(?:in\s+)?(?P<unit>{_UNIT})\s*[?.!]*$", r" in \g<unit>"),
    (r"^\W*(?:please\s+)?(?:break|split)\s+(?:down|up)\s+", ""),
    (r"^\W*(?:please\s+)?(?:break|split)\s+(?P<what>[^?]+?)\s+(?:down|up)\s+(?=(?:by|per)\b)", r"\g<what> "),
    (r"^\W*(?:please\s+)?(?:plot|chart|graph|tabulate|draw)\s+(?:me\s+)?", ""),
    # Middle values.
    (r"\b(?:the\s+)?(?:midpoint|half-?way\s+(?:value|point|mark)|middle\s+(?:reading|measurement|figure|number|one)|centre\s+value|center\s+value|50\s?%\s+mark)(?:\s*\(\s*(?:i\.e\.\s+)?(?:the\s+)?median\s*\)|,\s*(?:i\.e\.|that\s+is)\s*,?\s*the\s+median)?(?=\s)", "the median"),
)  # fmt: skip
"""Pattern and how to say it plainly."""


_TRUTH: Final = re.compile(
    r"^\W*(?:(?:is|was|would|can)\s+it\s+(?:be\s+)?(?:actually\s+|really\s+)?(?:true|right|correct|the\s+case|so|possible|fair\s+to\s+say|accurate\s+to\s+say)(?:\s+to\s+say)?\s+that|am\s+i\s+right\s+(?:that|in\s+(?:thinking|saying)\s+that)|"
    r"(?:can|could)\s+you\s+(?:confirm|verify|check)\s+(?:that|if|whether)|does\s+it\s+hold\s+that|true\s+or\s+false\s*[:,-]|(?:do\s+(?:you|we)\s+know|(?:can|could)\s+you\s+(?:tell\s+me|say|see|find\s+out)|tell\s+me|i\s+wonder|i'd\s+like\s+to\s+know|check|let\s+me\s+know)\s+(?:if|whether)|(?:if|whether)(?=[^,]*$))\s+",
    re.IGNORECASE,
)
"""What leads to a statement whose truth is asked."""

_STATED: Final = re.compile(
    r"^(?:there\s+(?P<there>was|were|is|are)|(?P<who>.{1,80}?)\s+(?P<be>was|were|is|are|has|have|had)|(?P<what>.{1,80}?)\s+(?=(?:never|ever|always|exceeded|went|dropped|fell|rose|stayed|reached|got|remained|climbed|hit|topped)\b))\b",
    re.IGNORECASE,
)

_END_READING: Final = re.compile(
    r"^\W*what(?:'s|\s+is|\s+was)\s+the\s+(?=(?:very\s+)?(?:earliest|oldest|first|latest|newest|last|most\s+recent)\s+(?:reading|record|measurement|row|entry|data\s?point)\b)",
    re.IGNORECASE,
)
_DAYS_OF: Final[tuple[tuple[str, str], ...]] = (
    (r"frost|frosty|ice|icy|cold|hot|summer|heat|tropical|warm|freezing|mild", "temperature"),
    (r"rainy|rain|wet", "rain"),
    (r"windy|stormy|storm|wind", "wind speed"),
    (r"smog|smoggy|polluted|dusty|bad|bad[- ]air|dirty|clean|alarm|exceedance|stuffy|humid|dark|bright|noisy", ""),
)
_DAILY: Final = r"(?:minimum|maximum|min|max|mean|average|median|total|sum|high|low)"


def everyday(question: str, *, names_a_field: Callable[[str], bool]) -> str:
    """Returns the question with everyday turns of phrase said plainly.

    Args:
        question: Without chat around it.
        names_a_field: Whether a text names a quantity that the contract has.
    """
    question = _true_or_not(question)
    question = rewritten(question, _PLAIN)
    question = _defined_days(question, names_a_field)
    if not names_a_field(question):
        # A reading without a field is told by its time.
        question = _END_READING.sub("when was the ", question)
    if names_a_field(question):
        question = by_its_field(question)
    return " ".join(question.split())


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Keeps what `re` itself, which keeps fewer, would compile again for each question."""
    return re.compile(pattern, re.IGNORECASE)


def _true_or_not(question: str) -> str:
    """Asks "is it true that x was …" as "was x …"."""
    lead = _TRUTH.match(question)
    if lead is None:
        return question
    rest = question[lead.end() :]
    stated = _STATED.match(rest)
    if stated is None:
        return f"was {rest}"
    if stated["there"]:
        return f"{stated['there']} there{rest[stated.end() :]}"
    if stated["who"]:
        return f"{stated['be']} {stated['who']}{rest[stated.end() :]}"
    return f"was {rest}"


def _defined_days(question: str, names_a_field: Callable[[str], bool]) -> str:
    """Says "frost days (daily minimum below -5)" as "days with a daily minimum temperature below -5"."""
    for words, quantity in _DAYS_OF:
        found = _compiled(
            rf"\b(?:{words})[\s-]+(?P<noun>days|nights|hours|weeks)(?P<where>\s+(?:at|in|for|on)\s+[^\s,()]+)?\s*(?:\(\s*|,\s*)(?:i\.\s?e\.,?\s*|that\s+is,?\s*|meaning\s+|defined\s+as\s+|namely\s+)?"
            rf"(?:(?:those|days)\s+(?:with|when|where|on\s+which)\s+|with\s+)?(?:an?\s+|the\s+|its\s+|their\s+)?(?P<daily>daily\s+)?(?P<measure>{_DAILY})(?P<field>(?:\s+[\w.]+){{0,2}}?)"
            rf"\s+(?:(?:is|was|being|stays?|stayed)\s+)?(?P<limit>(?:above|below|over|under|at\s+least|at\s+most|less\s+than|more\s+than|exceeding|of\s+at\s+least|[<>]=?)\s*(?:minus\s+)?{_NUMBER}[^),?]*)[),]?",
        ).search(question)
        if found is None:
            continue
        field = found["field"].strip() or ("" if names_a_field(question) and not quantity else quantity)
        measure = {"high": "maximum", "low": "minimum"}.get(found["measure"].lower(), found["measure"])
        plain = f"{found['noun']} with a daily {measure} {field} {found['limit'].strip()} {found['where'] or ''}"
        return f"{question[: found.start()]}{plain} {question[found.end() :]}"
    return question
