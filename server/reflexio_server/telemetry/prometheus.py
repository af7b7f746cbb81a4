"""The endpoint that Prometheus asks, for one server or for several workers behind one address.

Workers share the port for calls, but a scrape has to reach all of them. So each worker writes its metrics to whoever
connects to a Unix socket of its own, and the supervisor asks all of them and adds a label that says which is which.
"""

import socket
import socketserver
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_WORKER_SECONDS = 5.0
"""How long a worker may take to answer; a scrape may take ten, as a rule."""


_POLL_SECONDS = 0.05
"""How often a worker's socket looks whether it is to close."""


@contextmanager
def endpoint(host: str, port: int, registry: CollectorRegistry = REGISTRY) -> Iterator[int]:
    """Answer scrapes over HTTP for the length of the block, which is given the port.

    Args:
        host: The address to listen on.
        port: 0 for any that is free.
        registry: What to answer.

    Raises:
        OSError: The address is taken or is not this machine's.
    """
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def worker_endpoint(path: Path) -> Iterator[None]:
    """Answer the supervisor over a Unix socket for the length of the block: all metrics, and the end of the stream.

    Raises:
        OSError: The socket cannot be made.
    """
    path.unlink(missing_ok=True)  # Of a worker that was killed.
    with socketserver.ThreadingUnixStreamServer(str(path), _Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(generate_latest(REGISTRY))


class WorkersCollector(Collector):
    """The metrics of all workers, each with a label `worker`."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        """`sockets` are those of the first worker, the second and so on; they need not be there yet."""
        self._sockets = sockets

    def collect(self) -> Iterable[Metric]:
        """Ask all workers. One that does not answer is missing, and `reflexio_worker_up` says so."""
        up = GaugeMetricFamily("reflexio_worker_up", "1 where the worker tells its metrics, else 0.", labels=["worker"])
        families: dict[str, Metric] = {}
        for number, path in enumerate(self._sockets, 1):
            try:
                text = _read(path)
            except OSError:
                text = ""
            up.add_metric([str(number)], float(bool(text)))
            for family in text_string_to_metric_families(text):
                joined = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    joined.add_sample(sample.name, {**sample.labels, "worker": str(number)}, sample.value)
        return [up, *families.values()]


def _read(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_WORKER_SECONDS)
        connection.connect(str(path))
        with connection.makefile("rb") as stream:
            return stream.read().decode()
