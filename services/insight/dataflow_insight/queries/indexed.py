"""What the primary key finds for each known device by itself, however many readings there are: newest, oldest, first and last time."""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from collections.abc import Sequence

from dataflow_insight.plans.plan import Difference, Grouping, Measure, Scope
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key
from dataflow_insight.queries.measured import Measured
from dataflow_insight.queries.measures import COVERED
from dataflow_insight.queries.picked import extras_of
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.rollups import parts
from dataflow_insight.queries.source import Within, rows
from dataflow_insight.queries.stretches import DAY
from dataflow_insight.queries.where import merged, time_conditions


def finds_newest(frame: Frame, scope: Scope, keys: Sequence[Key]) -> bool:
    """Returns whether the newest or oldest readings are found device by device.

    Without devices to choose from, the index on the event time finds the one reading faster.
    """
    plan, grouped = frame.plan, [key.grouping for key in keys]
    alone = plan.difference is Difference.NONE and plan.join is None and frame.contract.devices_complete
    of_devices = grouped == [Grouping.DEVICE] or (not grouped and bool(scope.device_ids))
    return alone and of_devices and plan.measure in {Measure.LATEST, Measure.FIRST}


def newest(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns the SELECT of the newest or oldest reading of each device; without groups, of the one among them."""
    extras = extras_of(frame, keys)
    way = " DESC" if frame.plan.measure is Measure.LATEST else ""
    cells = [f"d.device_id AS {key.alias}" for key in keys]
    cells += ["l.v", "1 AS n", "d.device_id", "l.moment", *(f"l.{item.alias}" for item in extras if item.alias == "o")]
    first = (
        f"SELECT s.* FROM ({rows(frame, scope, keys, within=Within('d.device_id'))}) AS s WHERE s.v IS NOT NULL"
        f" ORDER BY s.moment{way}, s.message{way} LIMIT 1"
    )
    found = f"SELECT {', '.join(cells)} FROM {_devices(frame, scope)} CROSS JOIN LATERAL ({first}) AS l"
    one = "" if keys else f" ORDER BY l.moment{way}, d.device_id LIMIT 1"
    return Measured(found + one, frame.plan.field, extras)


def covers(frame: Frame, scope: Scope, keys: Sequence[Key]) -> bool:
    """Returns whether coverage is put together from the first and last reading of each device and from rollups."""
    contract, grouped = frame.contract, [key.grouping for key in keys]
    plain = not (scope.conditions or scope.day_times or scope.weekdays or frame.plan.join) and len(scope.times) < 2
    kept = contract.rollup is not None and contract.rollup.rows_from is None
    return plain and kept and contract.devices_complete and grouped in ([], [Grouping.DEVICE])


def coverage(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns the SELECT of coverage: numbers of readings by device from rollups, times from the primary key."""
    times = "".join(f" AND {one}" for one in time_conditions(frame.parameters, merged(scope.times), "t.event_time"))
    of_device = f"SELECT t.event_time FROM {frame.table} AS t WHERE t.device_id = d.device_id{times}"
    edges = (
        f"SELECT d.device_id, ({of_device} ORDER BY t.event_time LIMIT 1) AS starts,"
        f" ({of_device} ORDER BY t.event_time DESC LIMIT 1) AS ends FROM {_devices(frame, scope)}"
    )
    device = Key("device_id", "device_id", Role.DEVICE, Grouping.DEVICE)
    counted = (
        f"SELECT s.device_id, sum(s.readings) AS readings FROM ({parts(frame, scope, (device,), DAY)}) AS s GROUP BY 1"
    )
    total = "coalesce(sum(c.readings), 0)::bigint"
    cells = [f"e.device_id AS {key.alias}" for key in keys]
    cells += [f"{total} AS v", f"{total} AS n", "min(e.starts) AS starts", "max(e.ends) AS ends"]
    cells.append("count(e.starts) AS devices")
    grouped = " WHERE e.starts IS NOT NULL GROUP BY e.device_id" if keys else ""
    source = f"({edges}) AS e LEFT JOIN ({counted}) AS c ON c.device_id = e.device_id"
    return Measured(f"SELECT {', '.join(cells)} FROM {source}{grouped}", "readings", COVERED)


def _devices(frame: Frame, scope: Scope) -> str:
    excluded = set(scope.excluded_device_ids)
    named = tuple(
        dict.fromkeys(device for device in scope.device_ids or frame.contract.devices if device not in excluded)
    )
    return f"unnest({frame.parameters.add(named, 'text[]')}) AS d (device_id)"
