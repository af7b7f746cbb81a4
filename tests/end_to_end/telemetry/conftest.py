"""A server that tells everybody everything, and a collector that is told."""

import pytest

from tests.end_to_end.telemetry.collector import Collector
from tests.end_to_end.telemetry.use import use
from tests.end_to_end.test_serve import WITHOUT_MODEL, Serve


@pytest.fixture(scope="package")
def collector():
    started = Collector()
    yield started
    started.stop()


@pytest.fixture(scope="package")
def observed(tmp_path_factory, collector):
    """A server that was used in a trace, and tells everybody everything."""
    server = Serve(
        tmp_path_factory.mktemp("observed") / "data",
        *("--metrics-port", "0", "--log-format", "json", "--log-level", "debug", "--max-user-backlog", "1"),
        script=WITHOUT_MODEL,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_METRIC_EXPORT_INTERVAL="300",
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    try:
        use(server.wait_until_listening())
        yield server
    finally:
        server.end()
