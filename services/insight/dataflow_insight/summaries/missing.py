"""The SQL of what is not there, which no plan can say: gaps, silent devices, readings that were refused.

Every identifier comes from the catalogue and is quoted, every value is a parameter.
"""

# ruff: noqa: S608 - what is put into the texts below is quoted names of the catalogue and texts of this module
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dataflow_insight.queries.query import Query, Role
from dataflow_insight.summaries.scope import Scope, Where

MAX_GAPS: Final = 10
"""Most gaps of a summary."""

MAX_SILENT: Final = 100
"""Most devices that a summary names as silent."""

MAX_COUNTED: Final = 200_000
"""With more items of a contract in quarantine, those of one stretch of time are not counted."""

_REFUSED: Final = ["REFUSED", "UNPARSABLE", "UNSTORABLE"]


def gaps(scope: Scope, until: datetime) -> Query:
    """The longest times without readings of a device, its first and last stretch included, and the usual step.

    The usual step is that of the contract where readings keep one, else the median of all steps: that takes another pass.

    Args:
        scope: Which readings.
        until: Where the last stretch ends: the period's end, or the present.
    """
    where = Where(scope)
    last = where.parameter(until, "timestamptz")
    cadence = scope.contract.cadence
    usual = (
        f"SELECT {where.parameter(cadence, 'interval')} AS step"
        if cadence is not None
        else "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY stop - start) AS step FROM quiet WHERE own AND stop > start"
    )
    sql = (
        "WITH quiet AS (SELECT r.device_id, coalesce(lag(r.event_time) OVER w, $1) AS start, r.event_time AS stop,"
        f" lag(r.event_time) OVER w IS NOT NULL AS own FROM {scope.table} r WHERE {where}"
        " WINDOW w AS (PARTITION BY r.device_id ORDER BY r.event_time)"
        f" UNION ALL SELECT r.device_id, max(r.event_time), greatest({last}, max(r.event_time)), false"
        f" FROM {scope.table} r WHERE {where} GROUP BY r.device_id),"
        f" usual AS ({usual}),"
        " longest AS (SELECT device_id, start, stop, stop - start AS length FROM quiet"
        f" ORDER BY stop - start DESC, start, device_id LIMIT {MAX_GAPS}),"
        " told AS (SELECT q.*, EXTRACT(EPOCH FROM q.length)::double precision AS seconds FROM longest q)"
        ' SELECT q.device_id, q.start, q.stop AS "end", q.seconds, q.seconds / 60 AS minutes, q.seconds / 3600 AS hours,'
        " q.seconds / 86400 AS days, EXTRACT(EPOCH FROM u.step)::double precision AS usual_seconds"
        " FROM told q CROSS JOIN usual u ORDER BY q.length DESC, q.start, q.device_id"
    )
    columns = ("device_id", "start", "end", "seconds", "minutes", "hours", "days", "usual_seconds")
    roles = (Role.DEVICE, Role.START, Role.END, Role.VALUE, Role.SECONDS, Role.SECONDS, Role.SECONDS, Role.SECONDS)
    return Query(sql, where.parameters, columns, roles)


def silent(scope: Scope, devices: Sequence[str]) -> Query:
    """Those of the devices that sent before and not in the period, and how many they are.

    Args:
        scope: Which readings.
        devices: Who could have sent.
    """
    period = scope.period
    sql = (
        "SELECT d.device_id, count(*) OVER () AS devices FROM unnest($3::text[]) AS d (device_id)"
        f" WHERE EXISTS (SELECT FROM {scope.table} r WHERE r.device_id = d.device_id AND r.event_time < $1)"
        f" AND NOT EXISTS (SELECT FROM {scope.table} r WHERE r.device_id = d.device_id"
        f" AND r.event_time >= $1 AND r.event_time < $2) ORDER BY d.device_id LIMIT {MAX_SILENT}"
    )
    return Query(sql, (period.start, period.end, list(devices)), ("device_id", "devices"), (Role.DEVICE, Role.VALUE))


def refused_ever(scope: Scope) -> Query:
    """Items in quarantine that did not keep the contract, of all times: a small table says it."""
    device = " AND device_id = ANY($3::text[])" if scope.device_ids else ""
    sql = (
        "SELECT coalesce(sum(items), 0)::bigint AS refused FROM validator.quarantine_total"
        f" WHERE contract = $1 AND kind = ANY($2::text[]){device}"
    )
    parameters: tuple[object, ...] = (scope.contract.name, _REFUSED)
    if scope.device_ids:
        parameters = (*parameters, list(scope.device_ids))
    return Query(sql, parameters, ("refused",), (Role.VALUE,))


def refused(scope: Scope) -> Query:
    """The same of the period, with the readings stored in it; by receive time where an item has no event time."""
    where = Where(scope)
    contract, kinds = where.parameter(scope.contract.name, "text"), where.parameter(_REFUSED, "text[]")
    device = " AND q.device_id = ANY($3::text[])" if scope.device_ids else ""
    sql = (
        "SELECT q.refused, s.stored, q.refused + s.stored AS items,"
        " 100.0::double precision * q.refused / nullif(q.refused + s.stored, 0) AS refused_percent"
        f" FROM (SELECT count(*) AS refused FROM validator.quarantine q WHERE q.contract = {contract}"
        f" AND q.kind = ANY({kinds}) AND coalesce(q.event_time, q.receive_time) >= $1"
        f" AND coalesce(q.event_time, q.receive_time) < $2{device}) q,"
        f" (SELECT count(*) AS stored FROM {scope.table} r WHERE {where}) s"
    )
    return Query(
        sql,
        where.parameters,
        ("refused", "stored", "items", "refused_percent"),
        (Role.VALUE, Role.SUPPORT, Role.OTHER_VALUE, Role.PERCENT),
    )
