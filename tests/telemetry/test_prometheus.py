"""The metrics of several workers at one address."""

import socket
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.processes.metrics_endpoint import metrics_endpoint
from reflexio_server.telemetry.prometheus import WorkersCollector, worker_endpoint


@pytest.fixture
def folder():
    """One with a short path, as Unix sockets need."""
    with TemporaryDirectory() as made:
        yield Path(made)


def told(sockets):
    registry = CollectorRegistry()
    registry.register(WorkersCollector(sockets))
    return generate_latest(registry).decode()


def test_each_worker_is_a_label_and_one_that_does_not_answer_is_said_to_be_missing(folder):
    sockets = [folder / "1", folder / "2", folder / "3"]
    with worker_endpoint(sockets[0]), worker_endpoint(sockets[2]):
        text = told(sockets)
    assert [f'reflexio_worker_up{{worker="{n}"}} {up}.0' in text for n, up in ((1, 1), (2, 0), (3, 1))] == [True] * 3
    assert text.count("# TYPE python_info ") == 1
    assert text.count("python_info{") == 2


def test_a_worker_takes_the_place_of_one_that_was_killed(folder):
    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(folder / "1"))
    left_behind.close()
    with worker_endpoint(folder / "1"):
        assert 'reflexio_worker_up{worker="1"} 1.0' in told([folder / "1"])
    assert 'reflexio_worker_up{worker="1"} 0.0' in told([folder / "1"])


def test_a_port_in_use_is_told_with_the_setting_that_names_it():
    with socket.socket() as taken, ExitStack() as listening:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CannotStart, match="cannot tell metrics at 127") as caught:
            listening.enter_context(metrics_endpoint("127.0.0.1", taken.getsockname()[1]))
    assert caught.value.setting == "metrics_port"
