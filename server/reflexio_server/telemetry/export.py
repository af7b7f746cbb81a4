"""Who is told what is measured: collectors, as the standard variables of OpenTelemetry say, and Prometheus."""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from reflexio_server.telemetry import tracing
from reflexio_server.telemetry.metrics import begin_at_zero

_OTLP = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}

_is_on = False


class TelemetryMisconfigured(Exception):
    """A variable of OpenTelemetry asks for what is not there."""


def is_on() -> bool:
    """Whether anybody listens, so that measuring is worth what it costs."""
    return _is_on


@contextmanager
def exporting(version: str, *, prometheus: bool) -> Iterator[None]:
    """Connect the instruments to those who listen, for the length of the block. For once in the life of a process.

    Sampler, resource, headers, intervals and so on are read by the SDK itself.

    Args:
        version: The server's.
        prometheus: Whether `prometheus_client.REGISTRY` is to have the metrics.

    Raises:
        TelemetryMisconfigured: An exporter is asked for that is unknown or not installed.
    """
    global _is_on  # noqa: PLW0603 -- one process, one server, and OpenTelemetry's providers are global too.
    span_exporters = [_exporter("traces", name)() for name in exporter_names("traces", os.environ)]
    readers: list[MetricReader] = [
        PeriodicExportingMetricReader(_exporter("metrics", name)()) for name in exporter_names("metrics", os.environ)
    ]
    if prometheus:
        readers.append(PrometheusMetricReader(scope_info_enabled=False))
    if not span_exporters and not readers:
        yield
        return
    resource = _resource(version)
    # Without exemplars a measurement costs a third less; a trace is found by its request id, which the log has too.
    meters = MeterProvider(readers, resource, exemplar_filter=AlwaysOffExemplarFilter()) if readers else None
    tracers = TracerProvider(resource=resource) if span_exporters else None
    if meters is not None:
        metrics.set_meter_provider(meters)
        begin_at_zero()
    if tracers is not None:
        for span_exporter in span_exporters:
            tracers.add_span_processor(BatchSpanProcessor(span_exporter))
        trace.set_tracer_provider(tracers)
        tracing.turn(on=True)
    _is_on = True
    try:
        yield
    finally:
        _is_on = False
        tracing.turn(on=False)
        # What was measured last is sent.
        for provider in (tracers, meters):
            if provider is not None:
                provider.shutdown()


def exporter_names(signal: str, environment: Mapping[str, str]) -> Sequence[str]:
    """Which exporters the variables ask for; none where they ask for nothing.

    Args:
        signal: "traces" or "metrics".
        environment: The variables.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    chosen = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if not chosen:
        endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        return ("otlp",) if any(environment.get(name, "").strip() for name in endpoints) else ()
    return [name for name in map(str.strip, chosen.split(",")) if name not in {"", "none"}]


def _exporter(signal: str, name: str) -> Any:
    """The class of an exporter."""
    installed = name
    if name == "otlp":
        protocol = (
            os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
            or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
            or "grpc"
        )
        installed = _OTLP.get(protocol, protocol)
    found = [point for point in entry_points(group=f"opentelemetry_{signal}_exporter") if point.name == installed]
    if name == "prometheus" or not found:
        hint = "use --metrics-port" if name == "prometheus" else "is its package installed?"
        message = f"OTEL_{signal.upper()}_EXPORTER asks for {installed!r}, which there is not: {hint}"
        raise TelemetryMisconfigured(message)
    return found[0].load()


def _resource(version: str) -> Resource:
    """Which server this is; the variables of the environment may name it otherwise."""
    found = Resource.create({"service.version": version, "service.instance.id": str(uuid.uuid4())})
    if str(found.attributes["service.name"]).startswith("unknown_service"):
        return found.merge(Resource({"service.name": "reflexio"}))
    return found
