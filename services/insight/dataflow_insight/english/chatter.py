"""Set phrases around a question that say who asks, for what, and how politely: they change nothing in it."""

from typing import Final

_PERSON: Final = (
    r"(?:boss|manager|supervisor|chief|team\s+lead|lead|head|director|ceo|client|customer|colleagues?|co-?workers?|team|teacher|professor|tutor|student|students|class|"
    r"wife|husband|partner|daughter|son|kids?|children|mother|father|mom|mum|dad|parents|friend|friends|neighbou?rs?|landlord|tenant|doctor|editor|auditor|mayor|council|committee|"
    r"department|company|office|lab|family|flatmate|roommate|grandma|grandpa|brother|sister|everyone|everybody|someone|somebody|people|folks)"
)
_ASKS: Final = r"(?:want(?:s|ed)?|need(?:s|ed)?|ask(?:s|ed)?|would\s+like|'d\s+like|(?:is|are|was|were|keeps?|kept)\s+(?:asking|wondering|curious)|wonder(?:s|ed)?|demands?|requests?|requested|insists?\s+on|has\s+asked|have\s+asked)"
_ABOUT: Final = r"(?:\s+(?:me|us))?(?:\s+(?:to\s+(?:know|find\s+out|see|get|have|hear|learn|be\s+told)|for|about|what|this|the\s+following))?"
_WORK: Final = (
    r"(?:report|thesis|paper|article|presentation|talk|slides?|slide\s+deck|deck|homework|assignment|essay|newsletter|blog(?:\s+post)?|project|meeting|column|story|dissertation|"
    r"poster|memo|e-?mail|mail|spreadsheet|quiz|bet|science\s+fair)(?!\s+(?:rooms?|stations?|sensors?|halls?|devices?))"
)

LEFT_OUT: Final = (
    rf"\b(?:(?:my|our|the|a|one\s+of\s+(?:my|our))\s+)?(?:\w+\s+)?{_PERSON}(?:\s+of\s+(?:the|our|my)\s+\w+)?\s+{_ASKS}{_ABOUT}(?!\w)",
    rf"[,;]?\s*\bfor\s+(?:my|our|a|an|the|this)\s+(?:\w+\s+)?{_WORK}\b(?:\s*,)?|[,;]?\s*\bfor\s+(?:school|work|homework|university|curiosity)\b(?=\W|$)",
    rf"\b(?:i'm|i\s+am|we're|we\s+are)\s+(?:writing|preparing|working\s+on|doing|finishing|making|putting\s+together|drafting|reviewing)\s+(?:my|our|a|an|the|this|some)\s+(?:\w+\s+)?{_WORK}\b(?:\s+about\s+(?:this|it|that|the\s+air|air\s+quality|pollution|the\s+weather))?",
    (
        r"\b(?:following\s+up\s+on|as\s+(?:discussed|agreed|promised)\s+(?:in|at|on|during)|coming\s+back\s+to|with\s+reference\s+to)\s+(?:\w+'s\s+|our\s+|the\s+|my\s+|your\s+|last\s+)?(?:\w+\s+)?"
        r"(?:meetings?(?!\s+rooms?)|calls?|e-?mails?|mails?|chats?|discussions?|conversations?|questions?|requests?|tickets?)\b\s*[:,-]?"
    ),
    r"\bplease\s+advise\b(?:\s+(?:me|us))?(?:\s+(?:on|of|about))?|\b(?:i'd|i\s+would|we'd|we\s+would)\s+(?:(?:really|very\s+much)\s+)?(?:be\s+(?:very\s+|so\s+)?(?:grateful|thankful|glad|happy)\s+(?:for|to\s+(?:have|get|see|know))|appreciate|love(?:\s+to\s+(?:have|get|see|know))?|welcome)\b|\b(?:i|we)\s+could\s+(?:really\s+)?(?:use|do\s+with)(?=\s+(?:the|a|an|some)\b)|\b(?:spit|rattle|dig|bring|fish|reel|hand|throw|crank|churn)\s+(?:out|off|up|over|me)\b(?=\s+(?:the|a|all|how|what|which)\b)",
    r",?\s*\b(?:asap|a\.s\.a\.p\.|as\s+soon\s+as\s+possible|right\s+away|urgently|immediately|no\s+rush|no\s+hurry|(?:when|whenever)\s+you\s+(?:have|get)\s+(?:a\s+)?(?:minute|moment|time|chance|second)|thanks?\s+(?:you\s+)?(?:so\s+much|very\s+much|in\s+advance|a\s+lot|a\s+bunch|heaps|again)|many\s+thanks|much\s+appreciated|it's\s+urgent|it\s+is\s+urgent)\b",
    r"\b(?:(?:i'm\s+|so\s+)?sorry\s+(?:to\s+(?:bother|disturb|trouble|ask)(?:\s+you)?|for\s+(?:the\s+)?(?:bother|trouble|interruption|question))|excuse\s+me|pardon\s+me)\b(?:\s+(?:again|with\s+this))?(?:\s*,?\s*but\b)?",
    (
        r"\b(?:just\s+)?(?:out\s+of\s+(?:(?:pure|sheer|idle)\s+)?(?:interest|curiosity)|for\s+(?:the\s+)?(?:fun|interest|record|curiosity)|for\s+fun|to\s+be\s+(?:honest|clear|fair|sure)|honestly|frankly|by\s+any\s+chance|just\s+curious|"
        r"(?:quick|short|small|simple|silly|dumb|stupid|one|another|last|next)\s+question|(?:a\s+)?(?:quick|small|short)\s+(?:one|thing|favou?r|check|request)|sanity\s+check|double[- ]check(?:ing)?|"
        r"(?:i\s+have|i've\s+got|got|here's|here\s+is)\s+(?:a\s+|another\s+)?(?:quick\s+|short\s+|silly\s+)?question(?:\s+for\s+you)?|"
        r"(?:i\s+)?(?:guess|suppose|believe|think|reckon|heard|bet)(?:\s+that)?(?=\s*,)|(?:i've|i\s+have)\s+no\s+(?:idea|clue)|no\s+(?:idea|clue)(?:\s+how\s+\w+\s+(?:it|that)\s+(?:was|is|got))?|(?:i'm|i\s+am)\s+not\s+sure|i\s+(?:don't|do\s+not)\s+know|"
        r"(?:hello|hi|hey|dear|good\s+(?:morning|evening|afternoon))\s+(?:team|all|everyone|everybody|folks|friends?|guys|mate|bot|assistant|sir|madam|dataflow|data\s?flow|again)|"
        r"mate|buddy|guys|any\s+chance\s+(?:you\s+(?:can|could)\s+(?:tell\s+me|find\s+out|check)|of)|(?:could|can|would|will)\s+(?:somebody|someone|anybody|anyone|one\s+of\s+you)|"
        r"do\s+(?:you|we)\s+know|does\s+(?:anyone|anybody|someone|somebody)\s+know|i'd\s+(?:love|like|be\s+interested)\s+to\s+know|(?:i'm|i\s+am)\s+(?:trying|hoping|looking)\s+to\s+(?:find\s+out|figure\s+out|understand|see|learn|work\s+out)|"
        r"(?:we're|we\s+are)\s+(?:trying|hoping|looking)\s+to\s+(?:find\s+out|figure\s+out|understand|see|learn|work\s+out)|help\s+me\s+(?:out|find(?:\s+out)?|understand|figure\s+out)(?:\s+with)?|(?:let|letting)\s+me\s+know|"
        r"what\s+(?:was|is)\s+it\s+like|what's\s+it\s+like|(?:just\s+)?(?:give|tell|show)\s+me\s+(?:just|straight)(?=\s+the\b)|at\s+your\s+convenience|be\s+a\s+dear|if\s+that's\s+ok(?:ay)?|cheers\s+mate|over\s+to\s+you|that\s+would\s+be\s+(?:great|nice|lovely|helpful|all)|that's\s+all|that\s+is\s+all)\b"
    ),
)
"""Patterns of such phrases. None of them can stand for a device, a time, a limit or something to compute."""
