"""Where Prometheus asks: the server itself, or the supervisor of several workers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog
from prometheus_client import REGISTRY, CollectorRegistry

from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.rpc.listening import address_of
from reflexio_server.telemetry import prometheus

_log = structlog.get_logger("reflexio.metrics")


@contextmanager
def metrics_endpoint(host: str, port: int, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Answer scrapes for the length of the block; the log says where.

    Args:
        host: The address to listen on.
        port: 0 for any that is free.
        registry: What to answer.

    Raises:
        CannotStart: The address is taken or is not this machine's.
    """
    with ExitStack() as listening:
        try:
            bound = listening.enter_context(prometheus.endpoint(host, port, registry))
        except OSError as error:
            raise CannotStart(f"cannot tell metrics at {address_of(host, port)}: {error}", "metrics_port") from None
        _log.info("metrics are told", url=f"http://{address_of(host, bound)}/metrics")
        yield
