"""`reflexio serve --workers 2` as processes: one port, one database, and nothing left behind however it ends."""

import json
import re
import signal
import socket
import time
import urllib.request

import psutil
import pytest
from reflexio_server.store.embedded_postgres import EmbeddedPostgres

from tests.effort import LONG
from tests.end_to_end.test_serve import Serve, call, refused


@pytest.fixture
def workers(tmp_path):
    """Starts a supervisor of two workers."""
    started = []

    def start():
        started.append(Serve(tmp_path / "data", "--workers", "2", "--metrics-port", "0"))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.end()


def workers_of(server):
    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "reflexio_server.processes.worker" in child.cmdline()]


def until(server, condition):
    """Wait for what the processes do; they tell nobody. A server that ended meanwhile will not do it."""
    while not condition():
        assert server.process.poll() is None, server.log
        time.sleep(0.05)


def ended(processes):
    _, alive = psutil.wait_procs(processes, timeout=60)
    return not alive


def assert_metrics_of_both(server):
    """Prometheus reads those of all workers at one address, the one that was replaced among them."""
    url = re.search(r"http://[^ \x1b]+/metrics", server.log)[0]
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    for name in ("reflexio_worker_up", "reflexio_serving", "reflexio_database_up"):
        for worker in (1, 2):
            assert f'{name}{{worker="{worker}"}} 1.0' in text
    searches = [line for line in text.splitlines() if line.startswith('reflexio_searches_total{mode="hybrid"')]
    assert sum(float(line.rpartition(" ")[2]) for line in searches) == 1
    assert len(searches) == 2, "one of each worker"
    assert text.count("# TYPE reflexio_serving ") == 1


def test_a_worker_that_dies_is_replaced_and_none_outlives_its_supervisor(workers, tmp_path):
    server = workers()
    url = server.wait_until_listening()
    first, second = workers_of(server)
    assert not [loaded for loaded in psutil.Process(server.process.pid).memory_maps() if "libtorch" in loaded.path]
    assert not any("postgres" in argument for worker in (first, second) for argument in worker.cmdline())
    call(url, "publish", "-u", "ann", "The parcel arrives on Tuesday", "--wait")
    first.kill()
    [found] = call(url, "search", "ann", "when will the package be delivered?", "--json").splitlines()
    assert json.loads(found)["content"] == "The parcel arrives on Tuesday"
    until(server, lambda: "a worker was replaced" in server.log)
    assert_metrics_of_both(server)
    now = workers_of(server)
    assert len(now) == 2
    assert second in now
    status = json.loads(call(url, "status", "--json"))
    assert (status["storage_type"], status["storage_label"]) == ("embedded-postgres", str(tmp_path / "data"))
    server.process.kill()
    server.process.communicate()
    assert ended(now)
    # Its Postgres goes on until the next one on the folder ends it.
    postgres = EmbeddedPostgres(tmp_path / "data")
    postgres.start()
    postgres.stop()


def test_a_signal_stops_the_workers_and_the_postgres(workers, tmp_path):
    server = workers()
    until(server, lambda: len(workers_of(server)) == 2)
    started = workers_of(server)
    assert server.end(signal.SIGINT) == (0, "")
    assert ended(started)
    assert "Traceback" not in server.log
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()


def test_a_port_in_use_is_one_clear_line_with_workers_too(tmp_path):
    for sharing in (False, True):
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(sharing))
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            code, errors = refused("--workers", "2", "--port", str(port), "--data-dir", str(tmp_path))
        assert code == 1
        assert errors.startswith(f"Error: cannot listen on 127.0.0.1:{port}: the port is taken")
        assert len(errors.splitlines()) == 1


@pytest.mark.skipif(not LONG, reason="REFLEXIO_LONG_TESTS runs it")
def test_what_keeps_a_worker_from_starting_is_told_as_of_a_single_server(tmp_path):
    code, errors = refused(
        "--port", "0", "--workers", "2", "--data-dir", str(tmp_path), "--text-search-config", "klingon"
    )
    assert code == 2
    assert "--text-search-config" in errors
    assert "english" in errors, "it says which there are"
