"""The SQL that no plan can say: which fields are filled, lines through hours, the course of the day, counters, texts.

Every identifier comes from the catalogue and is quoted, every value is a parameter.
"""

# ruff: noqa: S608 - what is put into the texts below is quoted names of the catalogue and texts of this module
from collections.abc import Sequence
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field
from dataflow_insight.queries.query import Query, Role, quoted
from dataflow_insight.summaries.scope import Scope, Where

MAX_WORD: Final = 80
"""Most characters of a text that a summary shows."""

_SAMPLED: Final = 200
"""Readings of a device in which a field that falls is seen to be no counter."""


def edges(contract: Contract, device_ids: Sequence[str]) -> Query:
    """First and last event time of the devices, or of all."""
    table, device = f"readings.{quoted(contract.name)}", " WHERE r.device_id = ANY($1::text[])" if device_ids else ""
    sql = f"SELECT min(r.event_time) AS first_time, max(r.event_time) AS last_time FROM {table} r{device}"
    return Query(sql, (list(device_ids),) if device_ids else (), ("first_time", "last_time"), (Role.START, Role.END))


def existing(contract: Contract, device_ids: Sequence[str]) -> Query:
    """Those of the ids that have readings."""
    sql = (
        "SELECT d.device_id FROM unnest($1::text[]) AS d (device_id)"
        f" WHERE EXISTS (SELECT FROM readings.{quoted(contract.name)} r WHERE r.device_id = d.device_id)"
    )
    return Query(sql, (list(device_ids),), ("device_id",), (Role.DEVICE,))


def filled(scope: Scope, fields: Sequence[Field]) -> Query:
    """Values of each field in the period, most first; the second parameter from the end names the fields."""
    where = Where(scope)
    counts = "".join(f", count(r.{quoted(item.column)}) AS c{number}" for number, item in enumerate(fields))
    names = where.parameter([item.name for item in fields], "text[]")
    cells = ", ".join(f"x.c{number}" for number in range(len(fields))) or "0"
    sql = (
        f"SELECT f.field, x.readings, f.present, x.readings - f.present AS missing"
        f" FROM (SELECT count(*) AS readings{counts} FROM {scope.table} r WHERE {where}) x"
        f" CROSS JOIN LATERAL unnest({names}, ARRAY[{cells}]::bigint[]) WITH ORDINALITY AS f (field, present, number)"
        f" WHERE f.field IS NOT NULL ORDER BY f.present DESC, f.number"
    )
    return Query(
        sql,
        where.parameters,
        ("field", "readings", "present", "missing"),
        (Role.GROUP, Role.SUPPORT, Role.SUPPORT, Role.VALUE),
    )


def counted(names: Sequence[str]) -> Query:
    """How many fields these are: a number of the text stands on a cell, this one, too."""
    return Query("SELECT count(*) AS fields FROM unnest($1::text[])", (list(names),), ("fields",), (Role.VALUE,))


def trends(scope: Scope, fields: Sequence[Field]) -> Query:
    """Least-squares lines through the means of the hours, one row for each field.

    `noise` is the standard deviation around the line, `dependence` the lag-1 autocorrelation around it, `freedom` the
    effective number of hours less two, `significance` the slope in its standard errors (movement.py has the source).
    """
    where = Where(scope)
    hourly = _hourly(scope, fields, where)
    sql = (
        f"WITH hourly AS ({hourly}),"
        " placed AS (SELECT h.*, (EXTRACT(EPOCH FROM h.hour - $1) / 3600)::double precision AS place FROM hourly h),"
        " line AS (SELECT number, count(*) AS hours, min(place) AS first, max(place) AS last, regr_slope(mean, place) AS slope,"
        " regr_intercept(mean, place) AS base, regr_sxx(mean, place) AS spread, sum(n) AS n, sum(n * mean) / sum(n) AS level"
        " FROM placed GROUP BY number),"
        " rest AS (SELECT p.number, p.place, p.mean - (l.base + l.slope * p.place) AS rest,"
        " (p.n - 1) * coalesce(p.variance, 0) + p.n * (p.mean - l.level) ^ 2 AS squares"
        " FROM placed p JOIN line l USING (number)),"
        " pair AS (SELECT r.*, CASE WHEN r.place - lag(r.place) OVER w < 1.5 THEN lag(r.rest) OVER w END AS before"
        " FROM rest r WINDOW w AS (PARTITION BY r.number ORDER BY r.place)),"
        " noise AS (SELECT number, sum(rest * rest) AS unexplained, sum(squares) AS squares,"
        " greatest(0, least(0.99, coalesce(sum(rest * before) / nullif(sum(rest * rest), 0), 0))) AS dependence"
        " FROM pair GROUP BY number),"
        " judged AS (SELECT l.*, l.slope * (l.last - l.first) AS change, l.base + l.slope * l.first AS begin, o.unexplained,"
        " o.squares, o.dependence, l.hours * (1 - o.dependence) / (1 + o.dependence) - 2 AS freedom"
        " FROM line l JOIN noise o USING (number))"
        " SELECT f.field, j.begin + j.change AS end_level, j.begin AS start_level, j.change,"
        " 100 * j.change / nullif(abs(j.begin), 0) AS change_percent, j.slope AS slope_per_hour, j.hours, j.level AS mean,"
        " sqrt(j.unexplained / nullif(greatest(j.hours - 2, 0), 0)) AS noise, j.dependence, j.freedom,"
        " CASE WHEN j.freedom > 0 AND j.unexplained > 0"
        " THEN j.slope / sqrt(j.unexplained / j.freedom / j.spread) END AS significance,"
        " CASE WHEN j.n > 1 THEN sqrt(j.squares / (j.n - 1)::double precision) END AS deviation"
        f" FROM judged j JOIN unnest({where.parameter([item.name for item in fields], 'text[]')})"
        " WITH ORDINALITY AS f (field, number) ON f.number = j.number ORDER BY f.number"
    )
    columns = (
        "field",
        "end_level",
        "start_level",
        "change",
        "change_percent",
        "slope_per_hour",
        "hours",
        "mean",
        "noise",
        "dependence",
        "freedom",
        "significance",
        "deviation",
    )
    roles = (Role.GROUP, Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE, Role.PERCENT, *[Role.SUPPORT] * 8)
    return Query(sql, where.parameters, columns, roles)


def days(scope: Scope, fields: Sequence[Field]) -> Query:
    """Means by hour of the day, one row for each field and hour; `step` is how much higher it is from then on."""
    where = Where(scope)
    hourly = _hourly(scope, fields, where)
    zone = where.parameter(scope.period.zone.key, "text")
    sql = (
        f"WITH hourly AS ({hourly}),"
        f" local AS (SELECT number, mean, hour AT TIME ZONE {zone} AS moment FROM hourly),"
        " dated AS (SELECT number, moment::date AS day, EXTRACT(HOUR FROM moment)::int AS hour, avg(mean) AS mean"
        " FROM local GROUP BY 1, 2, 3),"
        " centred AS (SELECT d.*, d.mean - avg(d.mean) OVER (PARTITION BY d.number, d.day) AS above FROM dated d),"
        " grouped AS (SELECT number, hour, avg(mean) AS mean, count(*) AS days, avg(above) AS deviation,"
        " coalesce(var_samp(above) * (count(*) - 1), 0) AS squares FROM centred GROUP BY number, hour)"
        " SELECT f.field, g.hour, g.mean, g.days, g.deviation, g.squares, avg(g.mean) OVER earlier AS before,"
        " avg(g.mean) OVER later AS after, avg(g.mean) OVER later - avg(g.mean) OVER earlier AS step"
        f" FROM grouped g JOIN unnest({where.parameter([item.name for item in fields], 'text[]')})"
        " WITH ORDINALITY AS f (field, number) ON f.number = g.number"
        " WINDOW earlier AS (PARTITION BY g.number ORDER BY g.hour ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),"
        " later AS (PARTITION BY g.number ORDER BY g.hour ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
        " ORDER BY f.number, g.hour"
    )
    columns = ("field", "hour", "mean", "days", "deviation", "squares", "before", "after", "step")
    roles = (Role.GROUP, Role.HOUR_OF_DAY, Role.VALUE, *[Role.SUPPORT] * 3, Role.PREVIOUS, Role.NEXT, Role.SUPPORT)
    return Query(sql, where.parameters, columns, roles)


def rises(scope: Scope, fields: Sequence[Field], devices: Sequence[str]) -> Query:
    """How fields go from reading to reading at three places of the period, for some devices: what falls is no counter."""
    where = Where(scope)
    third = scope.period.length / 3
    places = where.parameter([scope.period.start + number * third for number in range(3)], "timestamptz[]")
    few = where.parameter(list(devices), "text[]")
    counts = ", ".join(
        f"count(*) FILTER (WHERE c{number} < b{number} AND c{number} >= b{number} / 2)" for number in range(len(fields))
    )
    cells = ", ".join(f"r.{quoted(item.column)}::double precision AS c{number}" for number, item in enumerate(fields))
    before = ", ".join(
        f"lag(c{number}) OVER (PARTITION BY device_id, place ORDER BY event_time) AS b{number}"
        for number in range(len(fields))
    )
    own = ", ".join(f"c{number}" for number in range(len(fields)))
    sql = (
        f"WITH sample AS (SELECT d.device_id, p.place, s.* FROM unnest({few}) AS d (device_id)"
        f" CROSS JOIN unnest({places}) AS p (place) CROSS JOIN LATERAL"
        f" (SELECT r.event_time, {cells} FROM {scope.table} r WHERE r.device_id = d.device_id"
        f" AND {where} AND r.event_time >= p.place ORDER BY r.event_time LIMIT {_SAMPLED}) s),"
        f" step AS (SELECT {own}, {before} FROM sample)"
        f" SELECT f.field, f.falls FROM (SELECT {counts} FROM step) x ({own}) CROSS JOIN LATERAL"
        f" unnest({where.parameter([item.name for item in fields], 'text[]')}, ARRAY[{own}]::bigint[]) AS f (field, falls)"
    )
    return Query(sql, where.parameters, ("field", "falls"), (Role.GROUP, Role.VALUE))


def counter(scope: Scope, item: Field) -> Query:
    """How a field goes from reading to reading of a device.

    A restart is a fall to less than half; what a counter shows then was counted since.
    """
    where = Where(scope)
    column = f"r.{quoted(item.column)}"
    sql = (
        f"WITH step AS (SELECT {column}::double precision AS value, lag({column}::double precision)"
        " OVER (PARTITION BY r.device_id ORDER BY r.event_time, r.message_id) AS before"
        f" FROM {scope.table} r WHERE {where} AND {column} IS NOT NULL)"
        " SELECT sum(CASE WHEN value < before THEN value ELSE value - before END) AS counted,"
        " count(*) FILTER (WHERE value > before) AS rises, count(*) FILTER (WHERE value < before) AS restarts,"
        " count(*) FILTER (WHERE value < before AND value >= before / 2) AS falls, min(value) AS lowest FROM step"
    )
    columns = ("counted", "rises", "restarts", "falls", "lowest")
    return Query(
        sql, where.parameters, columns, (Role.VALUE, Role.SUPPORT, Role.OTHER_VALUE, Role.SUPPORT, Role.SUPPORT)
    )


def words(scope: Scope, fields: Sequence[Field]) -> Query:
    """The most frequent value of each field of texts or of yes and no, one row for each field."""
    where = Where(scope)
    # Shown in a text: no control characters, and not endless.
    values = ", ".join(
        f"({number}, left(regexp_replace(r.{quoted(item.column)}::text, '[[:cntrl:]]', ' ', 'g'), {MAX_WORD}))"
        for number, item in enumerate(fields, start=1)
    )
    sql = (
        "WITH counted AS (SELECT f.number, f.value, count(*) AS n"
        f" FROM {scope.table} r CROSS JOIN LATERAL (VALUES {values}) AS f (number, value)"
        f" WHERE {where} AND f.value IS NOT NULL GROUP BY 1, 2),"
        " placed AS (SELECT number, value, n, sum(n) OVER (PARTITION BY number) AS present,"
        " count(*) OVER (PARTITION BY number) AS different,"
        ' row_number() OVER (PARTITION BY number ORDER BY n DESC, value COLLATE "C") AS place FROM counted)'
        " SELECT f.field, p.value, p.n AS readings, p.present::bigint AS present, p.different,"
        " 100.0::double precision * p.n / p.present::double precision AS percent"
        f" FROM placed p JOIN unnest({where.parameter([item.name for item in fields], 'text[]')})"
        " WITH ORDINALITY AS f (field, number) ON f.number = p.number WHERE p.place = 1 ORDER BY f.number"
    )
    columns = ("field", "value", "readings", "present", "different", "percent")
    roles = (Role.GROUP, Role.VALUE, Role.SUPPORT, Role.SUPPORT, Role.SUPPORT, Role.PERCENT)
    return Query(sql, where.parameters, columns, roles)


def _hourly(scope: Scope, fields: Sequence[Field], where: Where) -> str:
    """Means of the hours, counted from the period's start; field numbers begin with 1."""
    return (
        "SELECT f.number, date_bin('1 hour', r.event_time, $1) AS hour, count(*) AS n, avg(f.value) AS mean,"
        " var_samp(f.value) AS variance"
        f" FROM {scope.table} r CROSS JOIN LATERAL (VALUES {_values(fields)}) AS f (number, value)"
        f" WHERE {where} AND f.value IS NOT NULL GROUP BY 1, 2"
    )


def _values(fields: Sequence[Field]) -> str:
    return ", ".join(
        f"({number}, r.{quoted(item.column)}::double precision)" for number, item in enumerate(fields, start=1)
    )
