"""What the primary key finds for each known device by itself, however many readings there are: newest, oldest, first and last."""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from collections.abc import Sequence

from dataflow_insight.plans.plan import Difference, Grouping, Measure, Scope
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key
from dataflow_insight.queries.measured import Measured
from dataflow_insight.queries.measures import CHANGED, COVERED, name_of
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
    of_devices = _by_device(keys) or (not keys and bool(scope.device_ids))
    return _alone(frame) and of_devices and frame.plan.measure in {Measure.LATEST, Measure.FIRST}


def newest(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns the SELECT of the newest or oldest reading of each device; without groups, of the one among them."""
    extras = extras_of(frame, keys)
    way = " DESC" if frame.plan.measure is Measure.LATEST else ""
    cells = [f"d.device_id AS {key.alias}" for key in keys]
    cells += ["l.v", "1 AS n", "d.device_id", "l.moment", *(f"l.{item.alias}" for item in extras if item.alias == "o")]
    first = _edge(frame, scope, way)
    found = f"SELECT {', '.join(cells)} FROM {_devices(frame, scope)} CROSS JOIN LATERAL ({first}) AS l"
    one = "" if keys else f" ORDER BY l.moment{way}, d.device_id LIMIT 1"
    return Measured(found + one, frame.plan.field, extras)


def finds_change(frame: Frame, scope: Scope, keys: Sequence[Key]) -> bool:
    """Returns whether the newest and the oldest value of each device are found by themselves."""
    named = len(set(scope.device_ids) - set(scope.excluded_device_ids)) == 1
    return frame.plan.measure is Measure.CHANGE and _alone(frame) and (_by_device(keys) or (not keys and named))


def change(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns the SELECT of the newest less the oldest value of each device; without groups, of the one that is named."""
    cells = [f"d.device_id AS {key.alias}" for key in keys]
    cells += ["n.v - o.v AS v", "CASE WHEN n.message = o.message THEN 1 WHEN n.v IS NULL THEN 0 ELSE 2 END AS n"]
    cells += ["o.moment AS starts", "n.moment AS ends", "o.v AS previous", "n.v AS next"]
    newest_one, oldest_one = (_edge(frame, scope, way) for way in (" DESC", ""))
    source = (
        f"{_devices(frame, scope)} LEFT JOIN LATERAL ({newest_one}) AS n ON true"
        f" LEFT JOIN LATERAL ({oldest_one}) AS o ON true"
    )
    some = " WHERE n.v IS NOT NULL" if keys else ""
    return Measured(f"SELECT {', '.join(cells)} FROM {source}{some}", name_of(frame), CHANGED)


def _edge(frame: Frame, scope: Scope, way: str) -> str:
    """Returns a SELECT of the newest or oldest value of the device `d`."""
    return (
        f"SELECT s.* FROM ({rows(frame, scope, (), within=Within('d.device_id'))}) AS s WHERE s.v IS NOT NULL"
        f" ORDER BY s.moment{way}, s.message{way} LIMIT 1"
    )


def _alone(frame: Frame) -> bool:
    plan = frame.plan
    return plan.difference is Difference.NONE and plan.join is None and frame.contract.devices_complete


def _by_device(keys: Sequence[Key]) -> bool:
    return [key.grouping for key in keys] == [Grouping.DEVICE]


def finds_devices(frame: Frame, scope: Scope, keys: Sequence[Key]) -> bool:
    """Returns whether devices are counted by looking for one reading of each."""
    plan = frame.plan
    return plan.measure is Measure.DISTINCT and not plan.field and not keys and _alone(frame) and not scope.conditions


def devices(frame: Frame, scope: Scope) -> Measured:
    """Returns the SELECT of the number of devices that have readings in scope."""
    one = f"EXISTS (SELECT FROM ({rows(frame, scope, (), within=Within('d.device_id'))}) AS s)"
    counted = f"SELECT count(*) AS v, count(*) AS n FROM {_devices(frame, scope)} WHERE {one}"
    return Measured(counted, name_of(frame))


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
