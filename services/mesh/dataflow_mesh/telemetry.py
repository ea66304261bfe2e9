"""Metrics: instruments from the registry of `names.py`, shown to Prometheus by a small HTTP server.

An instrument may be made before telemetry starts (it then counts from its start on). The HTTP server answers from its
own thread, so that the event loop does not wait for it.
"""

import contextlib
import functools
import logging
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Final
from wsgiref.simple_server import WSGIServer

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Observation, UpDownCounter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, start_http_server

from dataflow_mesh.logs import fields
from dataflow_mesh.names import METER, METRICS, Kind, Metric

_log = logging.getLogger(__name__)

GaugeReader = Callable[[], list[tuple[float, dict[str, str]]]]
"""Returns the present values of a gauge, each with its attributes."""


@functools.cache
def counter(metric: Metric) -> Counter:
    """Returns the instrument of a counter."""
    assert metric.kind is Kind.COUNTER, metric.name
    return _meter().create_counter(metric.name, metric.unit, metric.brief)


@functools.cache
def up_down_counter(metric: Metric) -> UpDownCounter:
    """Returns the instrument of a metric that grows and shrinks."""
    assert metric.kind is Kind.UP_DOWN, metric.name
    return _meter().create_up_down_counter(metric.name, metric.unit, metric.brief)


@functools.cache
def histogram(metric: Metric) -> Histogram:
    """Returns the instrument of a distribution."""
    assert metric.kind is Kind.HISTOGRAM, metric.name
    return _meter().create_histogram(metric.name, metric.unit, metric.brief)


def observe(metric: Metric, read: GaugeReader) -> None:
    """Shows a gauge: `read` is called, in another thread, whenever somebody looks; it must be quick and not block."""
    assert metric.kind is Kind.GAUGE, metric.name

    def callback(_: CallbackOptions) -> list[Observation]:
        return [Observation(value, dict(attributes)) for value, attributes in read()]

    _meter().create_observable_gauge(metric.name, [callback], metric.unit, metric.brief)


@contextlib.contextmanager
def telemetry(service: str, instance: str, metrics_listen: str = "") -> Iterator[int | None]:
    """Collects metrics for the length of the context; yields the port of the endpoint, None if there is none.

    Only the first use in a process collects: OpenTelemetry's provider is one for each process.

    Args:
        service: The process's kind.
        instance: Which one of its kind.
        metrics_listen: host:port; port 0 takes a free one; empty: no endpoint.

    Raises:
        OSError: The address is taken.
    """
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry, scope_info_enabled=False)
    resource = Resource.create({"service.name": f"dataflow-{service}", "service.instance.id": instance})
    views = [
        View(instrument_name=metric.name, aggregation=ExplicitBucketHistogramAggregation(metric.buckets))
        for metric in METRICS
        if metric.buckets
    ]
    provider = MeterProvider([reader], resource=resource, views=views, shutdown_on_exit=False)
    if not _STATE.started:
        metrics.set_meter_provider(provider)
        _STATE.started = True
    with contextlib.ExitStack() as stack:
        stack.callback(provider.shutdown)
        if not metrics_listen:
            yield None
            return
        server = _serve(metrics_listen, registry)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        port = int(server.server_address[1])
        _log.info("metrics served", extra=fields("metrics_served", port=port))
        yield port


class _State:
    """Whether this process has its provider; OpenTelemetry only warns when it is set twice."""

    started = False


_STATE: Final = _State()


def _meter() -> metrics.Meter:
    return metrics.get_meter(METER)


def _serve(listen: str, registry: CollectorRegistry) -> WSGIServer:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if host == "localhost":
        host = "127.0.0.1"
    with contextlib.suppress(ValueError):
        host = str(ip_address(host))
    with contextlib.suppress(socket.gaierror):
        server, _thread = start_http_server(int(port), addr=host, registry=registry)
        return server
    raise OSError(f"metrics_listen: no address for {host!r}")
