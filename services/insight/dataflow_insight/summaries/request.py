"""From a request to the readings that it means: contract, devices, time."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dataflow.insight.v1 import summary_pb2, summary_service_pb2
from dataflow_mesh.errors import InvalidRequestError

from dataflow_insight.catalogue.catalogue import Catalogue, Catalogues, Contract
from dataflow_insight.queries.reads import Queries
from dataflow_insight.summaries import statements
from dataflow_insight.summaries.errors import ContractNotFoundError
from dataflow_insight.summaries.period import MAX_LENGTH, Calendar, Period, clock_time, last_complete, whole_data
from dataflow_insight.summaries.scope import Scope
from dataflow_insight.time_zone import zone_named


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request means.

    Attributes:
        catalogue: With the devices that the request names.
        scope: Which readings.
        incomplete: No stretch of the calendar is whole yet, so that all there is was taken.
    """

    catalogue: Catalogue
    scope: Scope
    incomplete: bool = False


async def understand(
    request: summary_service_pb2.SummarizeRequest, survey: Catalogues, queries: Queries, now: datetime
) -> Wanted:
    """Returns what a request means.

    Raises:
        ContractNotFoundError: There is no such contract, or it has no table.
        InvalidRequestError: No such time zone, field or device, or a time that is none.
    """
    zone = zone_named(request.time_zone)
    contract, catalogue = await _contract(request.contract, survey)
    if unknown := [name for name in request.fields if contract.field_named(name) is None]:
        raise InvalidRequestError(f"fields: contract {contract.name!r} has no field {unknown[0]!r}")
    contract = await _with_devices(contract, tuple(request.device_ids), queries)
    catalogue = replace(
        catalogue,
        contracts=tuple(contract if item.name == contract.name else item for item in catalogue.contracts),
    )
    period, incomplete = await _period(request, contract, queries, now, zone)
    _check_rows(contract, period)
    return Wanted(catalogue, Scope(contract, period, tuple(request.device_ids)), incomplete)


def _check_rows(contract: Contract, period: Period) -> None:
    """Refuses a time whose readings are removed: percentiles, gaps and the course of the day cannot come from rollups."""
    removed = contract.rollup.rows_from if contract.rollup is not None else None
    if removed is not None and period.start < removed:
        raise InvalidRequestError(
            f"start_time: readings before {clock_time(removed, period.zone)} were removed by retention; "
            "`dataflow readings aggregate` and `dataflow ask` still read what is left of them, hours and days"
        )


async def _contract(name: str, survey: Catalogues) -> tuple[Contract, Catalogue]:
    for fresh in (False, True):
        catalogue = await survey.catalogue("", fresh=fresh)
        if (contract := catalogue.contract_named(name)) is not None:
            return contract, catalogue
    raise ContractNotFoundError(metadata={"contract": name})


async def _with_devices(contract: Contract, device_ids: tuple[str, ...], queries: Queries) -> Contract:
    """Returns the contract with the devices named; of many thousands the catalogue knows only some."""
    missing = sorted(set(device_ids) - set(contract.devices))
    if not missing:
        return contract
    if any("\0" in device for device in missing):
        raise InvalidRequestError("device_ids: no device has a NUL in its id")
    query = statements.existing(contract, missing)
    found = [str(row[0]) for row in await queries.fetch_bounded(query.sql, *query.parameters)]
    if unknown := [device for device in missing if device not in found]:
        raise InvalidRequestError(f"device_ids: {contract.name!r} has no readings of a device {unknown[0]!r}")
    return replace(contract, devices=(*contract.devices, *found), device_keys={})


async def _period(
    request: summary_service_pb2.SummarizeRequest, contract: Contract, queries: Queries, now: datetime, zone: ZoneInfo
) -> tuple[Period, bool]:
    start = _moment(request.start_time) if request.HasField("start_time") else None
    end = _moment(request.end_time) if request.HasField("end_time") else None
    if start is not None and end is not None:
        return _checked(Period(start, end, zone)), False
    query = statements.edges(contract, request.device_ids)
    first, last = (await queries.fetch_bounded(query.sql, *query.parameters))[0]
    if start is not None or end is not None:
        whole = whole_data(first, last, zone) if first is not None else None
        begin = start or (whole.start if whole is not None else None)
        finish = end or (whole.end if whole is not None else None)
        if begin is None or finish is None or begin >= finish:
            raise InvalidRequestError(
                "start_time, end_time: there are no readings on the open side; give both, or choose another time"
            )
        return _checked(Period(begin, finish, zone)), False
    kind = Calendar(request.period or summary_pb2.SUMMARY_PERIOD_DAY)
    if first is None:
        # Nothing is stored: the time that would be meant if there were.
        empty = last_complete(Calendar.DAY if kind is Calendar.ALL else kind, _LONG_AGO, now, None, now, zone)
        assert empty is not None
        return empty, False
    period = last_complete(kind, first, last, contract.cadence, now, zone)
    if period is None:
        return _checked(whole_data(first, last, zone)), True
    return _checked(period), False


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(message: Any) -> datetime:
    try:
        found: datetime = message.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError(f"start_time, end_time: {error}") from error
    return found


def _checked(period: Period) -> Period:
    if period.start >= period.end:
        raise InvalidRequestError("start_time, end_time: the end must be after the start")
    if period.length > MAX_LENGTH:
        raise InvalidRequestError(f"start_time, end_time: at most {MAX_LENGTH // timedelta(days=1)} days")
    try:
        _ = period.before
    except OverflowError as error:
        raise InvalidRequestError("start_time: too early") from error
    return period
