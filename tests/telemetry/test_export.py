"""Which collectors are told, as the variables of OpenTelemetry say."""

import os
import subprocess
import sys

import pytest
from reflexio_server.settings import Settings
from reflexio_server.telemetry.export import TelemetryMisconfigured, exporter_names, exporting, is_on


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({}, [], []),
        ({"OTEL_SERVICE_NAME": "mine", "OTEL_TRACES_SAMPLER": "always_on"}, [], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, ["otlp"], ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"}, ["otlp"], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_METRICS_EXPORTER": "none"}, ["otlp"], []),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ["otlp", "console"], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_SDK_DISABLED": "TRUE"}, [], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " ", "OTEL_TRACES_EXPORTER": ""}, [], []),
    ],
)
def test_nothing_is_sent_unless_asked_for(variables, traces, metrics):
    assert list(exporter_names("traces", variables)) == traces
    assert list(exporter_names("metrics", variables)) == metrics


def test_by_default_nothing_is_measured_and_nobody_is_told():
    assert not is_on()
    assert Settings().metrics_port is None
    assert Settings().metrics_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin-of-old", "is its package installed?"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "use --metrics-port"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon", "is its package installed?"),
    ],
)
def test_whom_it_cannot_tell_is_an_error_and_not_silence(monkeypatch, variable, value, hint):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    with pytest.raises(TelemetryMisconfigured, match=value) as caught, exporting("1.0", prometheus=False):
        pass
    assert hint in str(caught.value)


def test_a_server_that_is_to_tell_whom_it_cannot_does_not_start(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tests.end_to_end.stand.serve",
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path),
    ]
    environment = os.environ | {"OTEL_TRACES_EXPORTER": "zipkin-of-old"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: OTEL_TRACES_EXPORTER asks for 'zipkin-of-old'")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir()), "no Postgres was begun for it"
