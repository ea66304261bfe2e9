"""Words that only some families of questions know: a misspelling must not be looked for in them."""

from typing import Final

FAMILY_WORDS: Final = (
    r"increas\w*|decreas\w*|ris(?:e|es|en|ing)|rose|drops?|dropp(?:ed|ing)|falls?|fell|fallen|falling|climb\w*|gr(?:ow|ows|ew|own|owth|owing)|jump\w*|"
    r"chang(?:e|es|ed|ing)|swings?|fluctuat\w*|declin(?:e|es|ed|ing)|shrank|shrink|warm(?:ed|ing)|cool(?:ed|ing)|differ\w*|deltas?|spikes?|variations?|"
    r"percentages?|shares?|fractions?|proportions?|ratios?|rates?|correlat\w*|divided|minus|"
    r"sharp(?:est|ly)?|steep(?:est|ly)?|rapidly|abruptly|dramatically|quick(?:est)?|fast(?:est)?|sudden(?:ly)?|lengthiest|longest|unbroken|uninterrupted(?:ly)?|continuous(?:ly)?|continual(?:ly)?|contiguous|"
    r"consecutive(?:ly)?|successive(?:ly)?|neighbou?r\w*|adjacent|subsequent|following|nonstop|straight|succession|interruptions?|interrupted|"
    r"outages?|silen(?:ce|ces|t)|quiet|offline|drop-?outs?|black-?outs?|down-?times?|pauses?|breaks?|holes?|signals?|"
    r"stretch(?:es)?|streaks?|spells?|runs?|running|episodes?|phases?|sequences?|series|intervals?|durations?|bouts?|windows?|"
    r"surg(?:e|es|ed|ing)|plung(?:e|es|ed)|plummet(?:s|ed)?|dip(?:s|ped)?|slumps?|collapses?|leap(?:s|t|ed)?|soar(?:s|ed)?|movements?|moves?|moved|"
    r"upwards?|downwards?|shift(?:s|ed)?|steps?|upticks?|swung|sank|sunk|sinks?|gains?|gained|loss|losses|lost|loses|net|"
    r"coefficients?|pearson|related|relations?(?:hips?)?|associat\w+|connect\w+|linked|links?|depend\w*|dependen\w+|inverse(?:ly)?|linear(?:ly)?|"
    r"per\s?cent|percents?|quotas?|frequenc(?:y|ies)|whereas|otherwise|elsewhere|else|remaining|rest|others?|polluted|contaminated|dusty|cleaner|dirtier|dustier|factors?|exceed\w*|surpass\w*|"
    r"opposed|relative|comparison\w*|contrast|windier|calmer|calm|brighter|darker|milder|chillier|louder|noisier|quieter|damper|humid|windy|dry|wet|rainy|"
    r"frost|frosty|froze|cold|mild|stormy|together|simultaneously|respectively|true|same|instead"
)
"""Pattern of one such word."""
