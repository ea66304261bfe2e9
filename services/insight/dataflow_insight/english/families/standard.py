"""The family of plain questions: what is computed of the readings in scope, broken down, ranked or limited by groups."""

import re
from dataclasses import replace

from dataflow_insight.catalogue.catalogue import Kind
from dataflow_insight.english.adjectives import Implied, implied_field
from dataflow_insight.english.conditions import Found
from dataflow_insight.english.families.standard_arrange import Arranger
from dataflow_insight.english.families.standard_group_reader import GroupReader
from dataflow_insight.english.families.standard_groups import YES_NO, Groups
from dataflow_insight.english.families.standard_intent import Intent
from dataflow_insight.english.families.standard_intent_reader import IntentReader
from dataflow_insight.english.families.standard_limits import limit_on_all, limit_on_counts, limit_on_groups
from dataflow_insight.english.families.standard_measures import (
    Word,
    asks_spread,
    asks_typical,
    read_measures,
    take_typical,
)
from dataflow_insight.english.families.standard_pairs import Named, check_list_of_fields
from dataflow_insight.english.families.standard_question import Question
from dataflow_insight.english.families.standard_shape import plans
from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.names import concept_of
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear, which_of
from dataflow_insight.plans.plan import Measure, Plan

_WEEK = range(1, 8)
_HOW_THE_AIR_WAS = r"\bhow\s+(?:dusty|polluted|smoggy|dirty|clean|bad|good|hazy|foul|grim)\s+(?:(?:was|is|were)\s+(?:it|the\s+air|air)\b|(?:was|is|were)\b(?=\s+[\ue200-\ue2ff]))"

_NUMBER_OF_STATES = r"\b(?:how\s+many|numbers?|counts?)\s+(?:of\s+)?(?:the\s+)?\uf8ff+(?:\s+(?P<hours>hours))?"
_HOW_MANY_READINGS = r"\bhow\s+(?:many\s+(?:hours|minutes|readings|times|values|measurements)|often)\b|\bnumber\s+of\s+(?:hours|minutes|readings|values|measurements)\b"
_WHO = r"\bhow\s+many\s+(?:different\s+|other\s+)?(?:people|persons|visitors|individuals|occupants|employees|guests)\b|\b(?:which|what)\s+(?:person|people|visitors?|employees?|guests?)\b"
_TIME_BETWEEN = (
    r"(?<!for )\bhow\s+(?:long|soon)\s+(?:after|before|until|till|did\s+it\s+take|does\s+it\s+take|passed|elapsed)\b"
)
_MEANING = r"^\W*what\s+(?:does|do|did)\b[^?]{1,80}\bmean\W*$"
_EXTREME_ABOVE = r"\b(?:highest|lowest|maximum|minimum|max|min|largest|smallest|greatest)\b(?!.*\b(?:average|mean|median|total|sum)\b)"


def plan(reading: Reading) -> Plan | tuple[Plan, ...] | None:
    """Returns the plans of a question that no other family claimed.

    Raises:
        Refusal: The parts do not make one query.
    """
    if re.search(_MEANING, reading.text) is not None:
        raise Refusal(unclear("What a word means is not in the readings; for an average, please ask for the average."))
    if reading.sheet.find(_WHO) is not None:
        raise Refusal(unclear("The readings say whether somebody was there, and not who or how many."))
    if re.search(_TIME_BETWEEN, reading.text):
        raise Refusal(unclear("The time from one event to another cannot be computed."))
    scope = reading.read_scope()
    if len(set(scope.weekdays)) == len(_WEEK):
        raise Refusal(unclear("Weekdays and weekends together are all days; please ask to compare them."))
    groups = GroupReader(reading, scope).read()
    counted = limit_on_counts(reading) if groups.which is not None or groups.counted is not None else None
    grouped = groups.which is not None or groups.counted is not None
    counted_a_day = bool(groups.per) and re.search(_HOW_MANY_READINGS, reading.text) is not None
    limit = None if counted_a_day and not grouped else limit_on_groups(reading, grouped=grouped)
    if limit is not None and not grouped and groups.each is None and not re.match(YES_NO, reading.text):
        # "The lowest above 5" is the lowest of the readings above 5.
        limit = None if re.search(_EXTREME_ABOVE, reading.text) else limit
    if reading.names.fields:
        reading.sheet.take(_HOW_THE_AIR_WAS)
    reading.sheet.take_all(r"\bat\s+(?:the|one\s+and\s+the)\s+same\s+time\b|\bsimultaneously\b")
    often = None
    if reading.conditions and groups.which is not None:
        often = reading.sheet.take(r"\b(?:the\s+)?(?:most|least)\s+(?:often|frequently)\b")
    words = read_measures(reading.sheet)
    implied = implied_field(reading)
    intent = IntentReader(reading.sheet, groups, words).read()
    if counted is not None and not reading.conditions and not intent.words and not intent.missing:
        # "Stations with fewer than 700 PM2.5 values"
        intent.count = True
    if often is not None:
        intent.count = True
        way = Measure.MIN if "least" in often.group() else Measure.MAX
        intent.words.append(Word(often.start(), often.end(), way, adjective=True, amount=True))
    number = reading.sheet.find(_NUMBER_OF_STATES) if reading.conditions else None
    if number is not None and re.match(r"how\s+many|numbers?\s+of|counts?\s+of", reading.text[number.start() :]):
        # "The number of faults per machine", "the number of idle hours".
        intent.count = True
        intent.hours = 3600 if number["hours"] else intent.hours
        reading.sheet.cover(*number.span())
    if _counts_states(reading, intent):
        # "Which machine had the most faults?"
        intent.count = True
    if groups.rank and groups.which is None and groups.upward is not None and not intent.extremes:
        way = Measure.MAX if groups.upward else Measure.MIN
        intent.words.append(Word(0, 0, way, adjective=True))
    others = _superlatives(reading, implied, intent)
    universal = False
    if limit is None and (groups.which is not None or groups.counted is not None or intent.yes_no) and not intent.words:
        limit = limit_on_all(reading)
        universal = limit is not None
    if limit is None and intent.yes_no and (intent.latest or intent.first) and len(reading.conditions) == 1:
        # "Is it above 100 now?" is not about the latest reading that is.
        limit = reading.conditions[0]
    if limit is not None:
        rest = tuple(found.condition for found in reading.conditions if found.start != limit.start)
        scope = replace(scope, conditions=rest)
    fields = _fields(reading, implied, intent, groups, limit)
    _read_best(reading, intent, fields)
    for item in {named.field for named in fields}:
        reading.cover_unit(item)
    fields += [named for named in others if named.field not in {other.field for other in fields}]
    check_list_of_fields(reading.sheet, fields)
    if reading.sheet.find(rf"\b(?:which|what|whose)\s+(?:of\s+the\s+)?{DEVICE_NOUN}\b") is not None:
        raise Refusal(two_things())
    reading.refuse_not_yet()
    if asks_spread(reading.sheet):
        raise Refusal(which_of("the standard deviation", "the range from the lowest to the highest value"))
    texts = bool(fields) and all(named.field.kind is Kind.TEXT for named in fields)
    if texts and not intent.words and take_typical(reading.sheet):
        intent.words.append(Word(0, 0, Measure.MODE))
    if asks_typical(reading.sheet):
        raise Refusal(which_of("the average", "the median", "the most frequent value"))
    if intent.yes_no and intent.words and all(word.measure is Measure.MODE for word in intent.words):
        raise Refusal(unclear("Whether something is usually so needs a share; please ask for one."))
    reading.settle(
        measured=bool(fields or reading.conditions),
        counts=intent.count or intent.yes_no,
        coverage=intent.coverage,
    )
    arranger = Arranger(reading, intent, groups, limit, counted)
    return plans(Question(reading, scope, intent, groups, fields, implied, arranger, universal))


def _counts_states(reading: Reading, intent: Intent) -> bool:
    """Whether most or least is asked of readings with a text, and of nothing that is measured."""
    return (
        bool(intent.words)
        and all(word.amount for word in intent.words)
        and bool(reading.conditions)
        and all(isinstance(found.condition.limit, tuple) for found in reading.conditions)
        and not reading.free_fields()
    )


def _read_best(reading: Reading, intent: Intent, fields: list[Named]) -> None:
    """Takes "best" for the lowest of something in the air that is better away; asks back elsewhere."""
    best = reading.sheet.find(r"\b(?:the\s+)?best\b")
    if best is None:
        return
    concepts = [concept_of(named.field) for named in fields]
    if not concepts or any(concept is None or concept.units[:1] != ("µg/m3",) for concept in concepts):
        raise Refusal(which_of("the highest", "the lowest"))
    reading.sheet.cover(*best.span())
    reading.assumptions.append("the best is the lowest")
    intent.words.append(Word(best.start(), best.end(), Measure.MIN, adjective=True))
    intent.words.sort(key=lambda word: word.start)


def _superlatives(reading: Reading, implied: Implied | None, intent: Intent) -> list[Named]:
    """Adds what "warmest" and its like ask for to the measures; returns the fields of all but the first."""
    others: list[Named] = []
    one = implied
    while one is not None and one.measure is not None:
        measure = Measure.MAX if one.measure is Measure.SUM else one.measure
        intent.words.append(Word(one.start, one.end, measure, adjective=True))
        if one.measure is Measure.SUM:
            intent.words.append(Word(one.start, one.end, Measure.SUM))
        if one is not implied:
            others.append(Named(one.field, one.start, one.end))
        one = implied_field(reading, superlatives=True)
    intent.words.sort(key=lambda word: word.start)
    return others


def _fields(
    reading: Reading, implied: Implied | None, intent: Intent, groups: Groups, limit: Found | None
) -> list[Named]:
    """Returns what is measured; a field that only stands in a limit or names groups is not."""
    bound = {
        found.mention.mark
        for found in reading.conditions
        if found.mention is not None and (limit is None or found.start != limit.start)
    }
    if limit is not None and limit.mention is not None:
        bound.discard(limit.mention.mark)
    found: dict[str, Named] = {}
    for mention in reading.names.fields:
        if mention.field is not None and mention.mark not in bound and mention.field.name != groups.value_field:
            found.setdefault(mention.field.name, Named(mention.field, mention.start, mention.start + len(mention.text)))
    if limit is not None and limit.condition.field not in found:
        item = reading.contract.field_named(limit.condition.field)
        if item is not None:
            found[item.name] = Named(item, limit.start)
    if not found and any(word.measure is Measure.RANGE for word in intent.words):
        warmth = re.search(r"\b(?:hottest|warmest|coldest|coolest)\b", reading.text)
        item = reading.reader.concept_field("temperature") if warmth is not None else None
        if item is not None:
            return [Named(item, 0)]
    if implied is not None and found and implied.field.name not in found:
        raise Refusal(unclear("It is not clear which of the fields is meant."))
    if implied is not None:
        found.setdefault(implied.field.name, Named(implied.field, implied.start, implied.end))
    if groups.value_field and not found and intent.words and intent.words[0].measure is Measure.MODE:
        item = reading.contract.field_named(groups.value_field)
        if item is not None:
            # "Which wind direction is the most common?" is about the directions themselves.
            groups.which, groups.value_field = None, ""
            return [Named(item, 0)]
    if found:
        return sorted(found.values(), key=lambda named: named.start)
    used = {item.condition.field for item in reading.conditions}
    counted = intent.count or intent.how_often or intent.devices or groups.counted is not None
    if reading.conditions and not counted and intent.asks and len(used) == 1:
        item = reading.contract.field_named(used.pop())
        if item is not None and not ((intent.latest or intent.first) and intent.when) and not intent.coverage:
            return [Named(item, reading.conditions[0].start)]
    return []
