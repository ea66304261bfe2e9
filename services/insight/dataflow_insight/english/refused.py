"""What is never computed: instructions and code, the future, and what no plan can express."""

from typing import Final

HOSTILE: Final = (
    r"\b(?:ignore|disregard|forget|override|bypass|pretend|jailbreak|instructions?|prompts?|passwords?|passwd|secrets?|"
    r"credentials?|tokens?|api\s?keys?|connection\s?strings?|dsn|environment\s+variables?|env\s+vars?|drop\s+(?:(?:all|the|every)\s+)*(?:tables?|schemas?|databases?|roles?|users?)|delete|truncate|"
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
    (r"\bvariances?\b|\bvariability\b|\bvolatil\w+", "variances"),
    (
        r"\bhour[- ]to[- ]hour\b|\bday[- ]to[- ]day\b|\bincreas\w*|\bdecreas\w*|\bris(?:e|es|ing|en)\b|\brose\b|\bdrops?\b|\bdropped\b|\bjump\w*|\bchang(?:e|es|ed|ing)\b|\bdifferen(?!t\b)\w*|\bdiffer\b|\bdeltas?\b|\bspikes?\b|\bgap between\b|\bgr(?:ow|ew|owth)\w*|\bdecline[ds]?\b|\bswings?\b|\bfluctuat\w*",
        "changes and differences",
    ),
    (
        r"\btrends?\b|\bcorrelat\w*|\bover time\b|\brolling\b|\bmoving\b|\bcumulative\b|\bregression\b|\bdevelop\w*|\bevol\w+",
        "trends and correlations",
    ),
    (
        r"\bconsecutive\w*|\bin a row\b|\bstreaks?\b|\blongest\b|\bshortest\b|\bcontinuous\w*|\bat a time\b",
        "unbroken runs",
    ),
    (r"\byearly\b|\bannual\w*|\b(?:per|each|every|by)\s+(?:minute|year)s?\b", "answers by minute or year"),
    (
        r"\bratios?\b|\bpercentages?\b|\bpercent of\b|%\s+of\b|\bshares?\b|\bfractions?\b|\bproportions?\b|\brates?\b|\btwice\b|\bdouble\b|\btriple\b|\bhalf\b|\btimes (?:as|higher|more|lower)\b|\bpart of\b|\bmajority\b|\bdivided\b|\bminus the\b|\bplus\b|\bmultipl\w+",
        "shares and ratios",
    ),
    (
        r"\b(?:above|below|over|under|than|exceed\w*|from|to)\s+(?:the\s+|its\s+|their\s+|an?\s+)?(?:overall\s+)?(?:average|mean|normal|usual|limit|threshold)\b|\babove-average\b|\bbelow-average\b",
        "comparisons with an average",
    ),
    (r"\bhistograms?\b|\bdistribution\b", "distributions"),
    (
        r"\bexcept\b|\bexcluding\b|\bother than\b|\bapart from\b|\bbesides\b|\bnot (?:counting|including)\b|\bleaving out\b|\bexclude[ds]?\b|\bbut not\b",
        "exclusions",
    ),
    (
        r"\banomal\w*|\boutliers?\b|\bunusual\w*|\babnormal\w*|\bsuspicious\w*|\bstrange\w*|\bsummar\w+|\boverview\b",
        "anomalies and summaries",
    ),
    (
        r"\bwhy\b|\bcaus(?:e|es|ed|ing)\b|\breasons?\b|\bexplain\w*|\bhow come\b|\bshould\b|\brecommend\w*|\bsafe\b|\bhealthy\b|\bunhealthy\b|\bdangerous\b",
        "reasons and advice",
    ),
    (r"\b(?:second|third|fourth|fifth|2nd|3rd|4th|5th)[- ](?:to[- ]last|last)\b", "places in a sequence"),
    (
        r"\broot mean square\b|\brms\b|\bgeometric\b|\bharmonic\b|\bweighted\b|\btrimmed\b|\bintegral\b|\bsquare[ds]?\b|\blog(?=\s+(?:of|scale)\b|\s*\()|\blogarithm\b|\babsolute\b|\bmidrange\b|\bnormali[sz]ed\b",
        "that kind of average",
    ),
)
"""What is understood but cannot be computed by a plan yet: pattern and how to call it."""
