"""Plain sentences about a result, the answer first; every value is put in as a claim on its cell."""

from typing import TYPE_CHECKING, Final

from dataflow_insight.answers.comparisons import compared
from dataflow_insight.answers.draft import Draft
from dataflow_insight.answers.facts import Facts
from dataflow_insight.answers.groups import grouped
from dataflow_insight.answers.picked import reading
from dataflow_insight.answers.rows import TIMES
from dataflow_insight.answers.runs import run
from dataflow_insight.answers.singles import single
from dataflow_insight.answers.verdict import verdict
from dataflow_insight.answers.writing import Told
from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.english.refusals import nothing_stored
from dataflow_insight.plans.plan import Focus, Measure, Plan
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Table

if TYPE_CHECKING:
    from dataflow_insight.engines.engine import Computed

_COUNTS: Final = frozenset({Measure.COUNT, Measure.MISSING, Measure.DISTINCT})


def phrase(computed: "Computed", question: str = "", joined: Contract | None = None) -> list[Draft]:
    """Returns the answer, one draft for each piece of text.

    Args:
        computed: What was computed, and what came out.
        question: As asked; "was it higher?" needs it for yes or no.
        joined: The contract of the plan's join, for units.
    """
    plan, table = computed.plan, computed.table
    if is_empty(plan, table):
        return [Draft(nothing_stored().text)]
    told = Told(computed, question, joined)
    lead = _lead(computed, question) if plan.focus in {Focus.YES_NO, Focus.NO_YES} else ""
    drafts = _body(told, lead)
    if table.truncated:
        drafts.append(Draft(" The table was cut at its row limit; narrow the question to see all of it."))
    if plan.time_zone not in {"", "UTC"} and _tells_times(told):
        drafts.append(Draft(f" Times are those of {plan.time_zone}."))
    return drafts


def is_empty(plan: Plan, table: Table) -> bool:
    """Returns whether the query found nothing to tell: no row, or no value in it."""
    counted = plan.measure in _COUNTS or (plan.fold is not None and plan.fold.measure is Measure.COUNT)
    if not table.rows:
        return not (plan.group_by and (counted or plan.having is not None))
    if counted and plan.compared_with is None:
        return False
    roles = table.query.roles
    if plan.measure is Measure.COVERAGE:
        return all(row[column] is None for row in table.rows for column, role in enumerate(roles) if role in TIMES)
    columns = [column for column, role in enumerate(roles) if role in {Role.VALUE, Role.OTHER_VALUE}]
    return all(row[column] is None for row in table.rows for column in columns)


def _lead(computed: "Computed", question: str) -> str:
    said = verdict(Facts(computed), question)
    return "" if said is None else "Yes: " if said else "No: "


def _body(told: Told, lead: str) -> list[Draft]:
    plan = told.plan
    if plan.compared_with is not None:
        return compared(told, lead)
    if plan.group_by:
        return grouped(told, lead)
    if plan.fold is None and plan.measure in {Measure.STREAK, Measure.GAP}:
        return run(told, lead)
    if plan.fold is None and (plan.with_where_and_when or plan.measure in {Measure.LATEST, Measure.FIRST}):
        return reading(told, lead)
    return single(told, lead)


def _tells_times(told: Told) -> bool:
    scope = told.plan.scope
    return bool(scope.times or scope.day_times or any(role in {*TIMES, Role.HOUR_OF_DAY} for role in told.roles))
