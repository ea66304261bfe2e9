"""Says roundabout and unidiomatic English in plain words: "the most high", "the date and time at which", "limit of 300 exceeded".

Each form means the same as what is put in its place. Nothing that could be a name, a time, a limit or a measure is left out.
"""

from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.rewriting import rewritten, rules

_SUPERLATIVES: Final = {
    "high": "highest", "low": "lowest", "large": "largest", "big": "biggest", "small": "smallest", "great": "greatest",
    "warm": "warmest", "hot": "hottest", "cold": "coldest", "strong": "strongest", "elevated": "highest",
}  # fmt: skip
_MEASURE: Final = r"(?:average|mean|avg|median|maximum|minimum|max|min|highest|lowest|total)"
_LARGEST: Final = r"(?:largest|biggest|highest|greatest|maximum|max|steepest|sharpest|smallest|most)"
_CHANGE: Final = r"(?:increase|rise|jump|gain|climb|drop|fall|decrease|decline|dip|change|swing|step|spike|surge)"
_NUMBER: Final = r"(?P<n>-?\d+(?:\.\d+)?)"
_UNIT: Final = r"(?P<unit>\s*(?:[µμu]g\s?/\s?m(?:\^?3|³)|°\s?[cf]|degrees(?:\s+celsius)?|m/s|hpa|mm|ppm|ppb|%))?"
_QUANTITY: Final = r"(?P<what>[a-z][\w.]*(?:\s+(?!limit|threshold|mark|average|mean)[a-z]\w*){0,2}?)"

_RELATIVE: Final = r"(?:reporting|measuring|recording|sending|delivering|observing|having|showing|where|at\s+which|in\s+which|from\s+which|that|which)"
_VERBS: Final = r"(?:was|is|occurred|happened|reported|measured|recorded|sent|observed|came|had|saw|seen)"
_PLAIN: Final = rules(
    # Numbers of things.
    (r"(?<!\w)#\s*(?=of\b)|\b(?:no|nr|num)\.?\s+(?=of\s+(?:the\s+)?(?:readings|hours|days|values|records|measurements|missing|rows|times))", "number "),
    (r"\bhow\s+much\s+(?=(?:\S+\s+)?(?:readings|values|records|measurements|rows|samples|messages|observations|hours|days|times|stations|sensors|devices)\b)", "how many "),
    (r"\b(?:how\s+many\s+times|how\s+often)\s+(?:did|does|has|have)\s+(?P<who>\S+)\s+(?:fail(?:ed)?\s+to|not)\s+(?:report|send|measure|record|deliver)(?:ed|d)?\s+(?:an?\s+|any\s+)?(?P<what>[^?]+?)(?:\s+values?)?(?=\s+(?:on|in|during|between|from)\b|\W*$)", r"how many \g<what> values are missing at \g<who>"),
    (rf"^(?P<rest>[^?:]+):\s*what\s+(?P<be>was|is)\s+the\s+(?P<what>{_MEASURE}|standard\s+deviation)\s*\?*$", r"what \g<be> the \g<what> \g<rest>?"),
    (rf"\bwhere\s+(?:the\s+)?(?P<noun>{DEVICE_NOUN})\s*(?:is|=|==|equals)\s*", r"at \g<noun> "),
    (r"\band\s+(?:the\s+)?(?:day|date)\s*(?:is|=|==|equals)\s*(?=\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", " on "),
    (r"\b(?P<ask>how\s+many\s+\w+)\s+in\s+total\b(?=\s+\w)", r"\g<ask>"),
    (r"^\W*(?:what\s+(?:is|was)\s+)?(?:the\s+)?total\s+(?=(?:hours|days)\b)", "number of "),
    (r"^\W*what\s+(?:amount|number|count)\s+of\s+(?=(?:\S+\s+){0,3}?(?:values|readings|measurements|records|rows|hours|days)\b)", "how many "),
    (r"^(?P<rest>[^?:]+):\s*how\s+many\s+(?:values\s+)?(?:are\s+|were\s+)?missing\W*$", r"how many missing values of \g<rest>?"),
    (r"\bdated\s+(?=(?:the\s+)?\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", "on "),
    # One of all of them.
    (r"^\W*(?:out\s+)?of\s+all\s+(?:of\s+)?(?:the\s+)?(?:\d+\s+)?(?P<noun>(?:day|hour|week|station|sensor|device|site|location|place|room|node|monitor|machine))s?\s*,?\s+(?:which|what)\s+one\b", r"which \g<noun>"),
    (rf"\b(?:across|over|among|amongst)\s+every\s+(?:single\s+)?{DEVICE_NOUN}\b", "over all stations"),
    (rf"\b(?:taking|taken|considering|looking\s+at|counting|combining|if\s+you\s+take)\s+all\s+(?:of\s+)?(?:the\s+)?{DEVICE_NOUN}(?:\s+(?:together|combined|into\s+account))?\b", "over all stations"),
    # Where and when it was.
    (rf"\bplus\s+(?=(?:the|its)\s+(?:{DEVICE_NOUN}|time|timestamp|date)\b)", "and "),
    (rf"\band\s+(?:the|its)\s+(?P<noun>{DEVICE_NOUN})\s+{_RELATIVE}\b(?:\s+(?:it|this|that|{_VERBS}))*(?=\W*$)", r"and the \g<noun>"),
    (r"\b(?:on|at)\s+(?:what|which)\s+(?:date|day)\s+and\s+(?:at\s+)?(?:(?:what|which)\s+)?(?:time|hour)\b", "when"),
    (r"\b(?P<noun>time|timestamp|moment|date)\s*\(\s*(?:in\s+)?utc\s*\)(?P<rest>[^?(]*)", r"\g<noun>\g<rest> (UTC)"),
    (rf"(?:,|\band)\s*(?:please\s+)?(?:also\s+)?(?:name|state|give|tell\s+me|identify|say|report|include|mention)\s+(?:me\s+)?(?:the|its)\s+(?:name\s+of\s+the\s+)?(?P<noun>{DEVICE_NOUN})(?:\s+name)?(?=\W*$)", r" and the \g<noun>"),
    (rf"\s\+\s*(?:the\s+)?(?P<noun>{DEVICE_NOUN}|time|timestamp|date)(?=\W*$)", r" and the \g<noun>"),
    (r"\b(?:the\s+)?(?:exact\s+)?(?:date\s+and\s+(?:the\s+)?time|day\s+and\s+(?:the\s+)?(?:hour|time)|moment|point\s+in\s+time)\s+(?:at|on|in)\s+which\b", "when"),
    (r"^\W*(?P<lead>what\s+(?:was|is)\s+)the\s+(?:exact\s+)?(?:moment|point\s+in\s+time|date\s+and\s+time)\s+of\s+", "when was "),
    (r"(?P<what>\b(?:was|is|were|occurred|happened|measured|reported|recorded|observed|reached|seen)\s+)(?:at\s+)?(?:what\s+time|when)\s*\?*$", r"\g<what>at what time?"),
    (r"\b(?:on|at|for|,)?\s*\b(?:that|this)\s+(?:very\s+)?day\s*[,:(]\s*(?=(?:the\s+)?\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", " on "),
    (r"\b(?:on|at)\s+(?:what|which)\s+(?:hour|time)\s+and\s+(?:on\s+)?(?:(?:what|which)\s+)?(?:day|date)\b", "when"),
    (rf":\s*(?:the\s+)?value\s+and\s+(?:the\s+|its\s+)?(?P<noun>{DEVICE_NOUN})\b\W*(?:please\W*)?$", r" and the \g<noun>"),
    (rf"\b(?P<noun>the\s+(?:day|date|hour|{DEVICE_NOUN}))\s+of\s+the\s+(?=(?:{_LARGEST}|lowest)\s+(?:daily\s+)?(?:average|mean|median|avg)\b)", r"\g<noun> with the "),
    (r"\b(?:leads|led|tops|topped|is\s+leading|is\s+top)\s+(?:(?:in|for|by|on)\s+)?(?:the\s+)?(?=(?:average|mean|avg|median)\b)", "has the highest "),
    # The highest.
    *((rf"\b(?P<the>the|its|their)\s+most\s+{word}\b", rf"\g<the> {superlative}") for word, superlative in _SUPERLATIVES.items()),
    (r"\b(?P<ask>how\s+(?:high|bad|strong|warm|hot)\b[^?]*?\b(?:get|gotten|go|rise|climb|become))\s+at\s+(?:its|their|the)\s+(?:worst|highest|peak|most|maximum)\b", r"\g<ask>"),
    (r"\b(?P<ask>how\s+(?:low|cold)\b[^?]*?\b(?:get|gotten|go|drop|fall|become))\s+at\s+(?:its|their|the)\s+(?:lowest|coldest|least|minimum)\b", r"\g<ask>"),
    (r"\s+(?:that\s+|which\s+)?any(?:one|body)\s+(?:has\s+)?(?:ever\s+)?(?:saw|seen|measured|reported|recorded|got|had)\b", " "),
    (r"\btop\s+(?=(?:pm|so|no|co|o3|ozone|temp)[\w.]*\s+(?:number|figure|value|reading|level)\b)", "highest "),
    (rf"(?P<lead>\b{_LARGEST}\b[^?]*?)\s+(?:(?:on|in)\s+record|ever\s+(?:on\s+record|recorded))\b", r"\g<lead>"),
    (rf"^\W*which\s+(?P<be>is|was)\s+the\s+(?=(?:median|mean|average|avg|standard|total|sum|number|count|\d+(?:st|nd|rd|th)\s+percentile|(?:{_LARGEST})\s+(?:value|reading|{_CHANGE})|(?:last|latest|newest|first|most\s+recent)\s+(?!{DEVICE_NOUN}\b|day|date|hour|time))\b)", r"what \g<be> the "),
    (r"\b(?:hit|hits|reach(?:es|ed)?)\s+(?:its|their|the|a)\s+high\b(?!\s+(?:of|level|value|point))", "reach its maximum"),
    (r"\b(?:hit|hits|reach(?:es|ed)?)\s+(?:its|their|the|a)\s+low\b(?!\s+(?:of|level|value|point))", "reach its minimum"),
    (r"\b(?:what|which)\s+(?P<what>[^?]{2,30}?)\s+(?P<noun>value|reading|measurement)\s+came\s+(?:in\s+)?last\b", r"what was the last \g<what> \g<noun>"),
    (r"\u03c3", "standard deviation"),
    (r"\bdeviates?\s*(?=\(\s*(?:the\s+)?standard\s+deviation\s*\))", ""),
    # One for each.
    (rf"\b(?:all\s+)?(?:the\s+)?(?P<noun>stations|sensors|devices|sites|rooms|machines)'\s+(?={_MEASURE}\b)", r"each \g<noun>'s "),
    (rf"\b(?P<at>at|for|of|in|from|did|do|does|have|had)\s+the\s+(?:individual|single|various|different|respective)\s+(?P<noun>{DEVICE_NOUN})", r"\g<at> each \g<noun>"),
    (r",?\s*\b(?:listed|shown|given|reported|broken\s+down)\s+(?P<how>individually|separately|one\s+by\s+one)\b", r" \g<how>"),
    (r"^\W*how\s+(?:does|do|did)\s+(?P<what>the\s+(?:average|mean|median|highest|lowest|maximum|minimum)\b[^?]*?)\s+look(?:\s+like)?\b", r"what is \g<what>"),
    (rf"\b(?:all\s+(?:of\s+)?(?:the\s+)?|every\s+|each\s+)(?P<noun>{DEVICE_NOUN})\s*,?\s+(?:(?:together\s+|along\s+)?with|and)\s+(?:its|their)\s+(?P<what>{_MEASURE}\b(?:[^?.;]|\.(?=\d))*)", r"the \g<what> of each \g<noun>"),
    (rf"^(?P<lead>\W*(?:(?:please|show|give|list)\s+(?:me\s+)?)*)(?:the\s+)?per[-\s](?P<noun>{DEVICE_NOUN}|day|hour|week)\s+(?P<what>{_MEASURE})s?\s+(?:values?\s+)?(?:of|for)\s+(?P<rest>(?:[^?;.]|\.(?=\d))+)", r"\g<lead>\g<what> \g<rest> per \g<noun>"),
    (rf"\b(?:an?\s+|the\s+)?per[-\s](?P<noun>{DEVICE_NOUN}|day|hour|week)\s+(?:overview|list|table|breakdown|listing|summary)\s+of\s+(?:the\s+)?(?P<what>{_MEASURE}\b(?:[^?.;]|\.(?=\d))*)", r"\g<what> per \g<noun>"),
    (rf"^\W*(?:for\s+)?all\s+(?:of\s+)?(?:the\s+)?(?P<noun>{DEVICE_NOUN})\s*:\s*(?P<what>(?:average|mean|avg|median)\b(?:[^?.;]|\.(?=\d))*)", r"\g<what> of each \g<noun>"),
    (r"\b(?:please\s+)?tabulate\b", "list"),
    (r"^(?P<lead>\W*(?:please\s+|can\s+you\s+|could\s+you\s+)*)break\s+down\s+", r"\g<lead>list "),
    (r"\bthe\s+day's\s+(?=(?:average|mean|maximum|minimum|median|highest|lowest|max|min)\b)", "the daily "),
    (r"\b24[\s-]*h(?:ours?|rs?)?(?:ly)?[\s-]+(?=(?:average|mean|median|maximum|minimum)\b)", "daily "),
    # Limits.
    (rf"\b(?:the\s+)?{_QUANTITY}\s+(?:limit|threshold|limit\s+value|mark)\s+of\s+{_NUMBER}{_UNIT}\s+(?:(?:was|is|been|being|were)\s+)?(?:exceeded|surpassed|passed|crossed|broken|violated)\b", r"\g<what> above \g<n>\g<unit>"),
    (rf"\b(?:the\s+|a\s+)?(?:limit|threshold|limit\s+value|mark)\s+of\s+{_NUMBER}{_UNIT}\s+(?:for|of|in)\s+{_QUANTITY}\s+(?:(?:was|is|been|being|were)\s+)?(?:exceeded|surpassed|passed|crossed|broken|violated)\b", r"\g<what> above \g<n>\g<unit>"),
    (rf"\b(?P<way>exceed(?:s|ed)?|surpass(?:es|ed)?)\s+(?:an?\s+|the\s+)?(?:daily\s+)?{_QUANTITY}\s+(?P<measure>average|mean)\s+of\s+{_NUMBER}", r"had a daily \g<measure> \g<what> above \g<n>"),
    (r"\bhow\s+long\s*,?\s*(?:\(\s*)?in\s+(?P<unit>hours|minutes|days)(?:\s*\))?\s*,?", r"how many \g<unit>"),
    (r"\b(?P<lead>(?:how\s+many|number\s+of)\b[^?]*?)\b(?:do|does|did|are|were|have)\s+miss(?:ed|ing)?\b", r"\g<lead>are missing"),
    (rf"\b(?P<way>exceed(?:s|ed)?|surpass(?:es|ed)?)\s+(?:an?\s+|the\s+)?(?:daily\s+)?(?P<measure>average|mean)\s+(?:of\s+)?{_QUANTITY}\s+of\s+{_NUMBER}", r"had a daily \g<measure> \g<what> above \g<n>"),
    (rf"\b(?P<way>exceed(?:s|ed)?|surpass(?:es|ed)?)\s+{_NUMBER}{_UNIT}\s+(?:for|of)\s+{_QUANTITY}\s+(?:in|as)\s+(?:the|a)\s+(?:daily\s+)(?P<measure>average|mean)\b", r"had a daily \g<measure> \g<what> above \g<n>\g<unit>"),
    (r"^\W*(?:for\s+)?how\s+long\b(?P<rest>[^?]*?),?\s*\(?\s*\bin\s+(?P<unit>hours|minutes)\s*\)?\W*$", r"how many \g<unit>\g<rest>?"),
    # From one to the next.
    (r"\bbetween\s+(?:one|an|a|any)\s+(?P<unit>hour|reading|value|measurement)\s+and\s+(?:the\s+)?next(?:\s+(?:one|hour|reading|value|measurement))?\b", r"from one \g<unit> to the next"),
    (rf"\b(?P<most>{_LARGEST})\s+amount\s+(?:by\s+which|that)\s+(?P<what>[^?]{{2,40}}?)\s+(?:rose|increased|climbed|jumped|went\s+up|grew|has\s+risen)\b", r"\g<most> increase of \g<what>"),
    (rf"\b(?P<most>{_LARGEST})\s+amount\s+(?:by\s+which|that)\s+(?P<what>[^?]{{2,40}}?)\s+(?:fell|dropped|decreased|declined|went\s+down|sank|has\s+fallen)\b", r"\g<most> drop of \g<what>"),
    (rf"(?P<lead>\b(?:{_LARGEST})\b[^?]*?\b{_CHANGE}s?\b[^?]*?)\s+(?:over|from|against|compared\s+(?:to|with)|relative\s+to|versus|vs\.?|with\s+respect\s+to|on)\s+(?:the|its)\s+(?:previous|preceding|prior|last)\s+(?P<unit>hour|reading|value|measurement)(?:'s\s+(?:value|reading))?\b", r"\g<lead> from one \g<unit> to the next"),
    (r"\bfrom\s+(?:one|an|a)\s+(?P<unit>hour|reading|value|measurement)\s+to\s+(?:the\s+|an)other(?:\s+one)?\b", r"from one \g<unit> to the next"),
    # The time that the data cover.
    (r"^\W*(?:what|which)\s+dates\s+(?P<do>do|does|did)\b(?=.*\b(?:span|cover|include|comprise|extend|range)\b)", r"what period \g<do>"),
    (r"\bbetween\s+(?:which|what)\s+(?:two\s+)?(?:dates|days|times|timestamps)\b", "from when until when"),
    (r"\bfrom\s+(?:which|what)\s+(?:date|day|time)\s+(?:to|until|till|through)\s+(?:which|what)\s+(?:date|day|time)\b", "from when until when"),
    (r"\bhow\s+long\s+a\s+(?=period|time)", "what "),
    (r"\b(?P<what>data\s*(?:set)?|readings|records)\s+(?:set\s+)?(?:ranges?|extends?|stretch(?:es)?|runs?|goes|go|reach(?:es)?)\s+over\b", r"\g<what> cover"),
)  # fmt: skip
"""Pattern and how to say it plainly."""


def plainer(question: str) -> str:
    """Returns the question with roundabout forms said plainly."""
    return " ".join(rewritten(question, _PLAIN).split())
