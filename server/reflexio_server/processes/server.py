"""One server in this process, from its start to the signal that ends it."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from reflexio_server import __version__
from reflexio_server.app import Application
from reflexio_server.domain.errors import DatabaseUnavailable, StorageFull
from reflexio_server.embed.embedder import ModelUnavailable
from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.processes.descriptors import make_room_for
from reflexio_server.processes.metrics_endpoint import metrics_endpoint
from reflexio_server.rpc.listening import CannotListen, UnsafeSettings, check_doors
from reflexio_server.settings import Settings
from reflexio_server.store.driver_errors import DatabaseRefuses, StatementsNotKept, cause_of_outage
from reflexio_server.store.embedded_postgres import DataFolderInUse, EmbeddedPostgresFailed
from reflexio_server.store.location import InvalidDatabaseUrl, StorageLocation
from reflexio_server.store.migrate import SchemaTooNew
from reflexio_server.store.roles import BarrierNotKept
from reflexio_server.store.text_search import UnknownTextSearchConfig
from reflexio_server.telemetry import prometheus
from reflexio_server.telemetry.export import TelemetryMisconfigured, exporting


async def serve(
    settings: Settings,
    announce: Callable[[int], None],
    *,
    worker_of: StorageLocation | None = None,
    supervisor: int | None = None,
    metrics_socket: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    A signal that comes while the server is starting takes effect once it has started: whatever is half started then,
    a Postgres among it, would be left behind. A second signal gives up waiting for that.

    Args:
        settings: What the operator chose.
        announce: Told the port once calls are answered.
        worker_of: For one of several workers on one port: how to speak of their common storage.
        supervisor: A file descriptor that is at its end when the supervisor is gone, which counts as a signal.
        metrics_socket: Where a worker tells the supervisor its metrics; None where nobody asks.

    Raises:
        CannotStart: It says why.
    """
    try:
        check_doors(settings)
    except UnsafeSettings as error:
        raise CannotStart(str(error), error.setting) from None
    settings = settings.model_copy(update={"max_connections": make_room_for(settings.max_connections)})
    with ExitStack() as listening:
        _expose_metrics(settings, metrics_socket, listening)
        await _serve(settings, announce, worker_of, supervisor)


def _expose_metrics(settings: Settings, metrics_socket: Path | None, listening: ExitStack) -> None:
    """Begin to measure, and to tell those who are to be told.

    Raises:
        CannotStart: That cannot be done.
    """
    own_port = settings.metrics_port if metrics_socket is None else None
    try:
        listening.enter_context(exporting(__version__, prometheus=own_port is not None or metrics_socket is not None))
    except TelemetryMisconfigured as error:
        raise CannotStart(str(error)) from None
    if metrics_socket is not None:
        listening.enter_context(prometheus.worker_endpoint(metrics_socket))
    elif own_port is not None:
        listening.enter_context(metrics_endpoint(settings.metrics_host, own_port))


async def _serve(
    settings: Settings, announce: Callable[[int], None], worker_of: StorageLocation | None, supervisor: int | None
) -> None:
    try:
        application = Application(settings, worker_of=worker_of)
    except InvalidDatabaseUrl as error:
        raise CannotStart(str(error), "database_url") from None
    except UnsafeSettings as error:
        raise CannotStart(str(error), error.setting) from None
    starting = asyncio.create_task(application.start())
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if signalled.is_set():
            starting.cancel()
        signalled.set()

    def on_supervisor(descriptor: int) -> None:
        if not os.read(descriptor, 1):
            loop.remove_reader(descriptor)
            on_signal()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    if supervisor is not None:
        loop.add_reader(supervisor, on_supervisor, supervisor)
    await _started(starting, application.location)
    if not signalled.is_set():
        announce(application.port)
    await signalled.wait()
    await application.stop()


async def _started(starting: asyncio.Task[None], location: StorageLocation) -> None:
    """Wait for the start, and explain where it fails."""
    try:
        await starting
    except asyncio.CancelledError:
        raise CannotStart("interrupted while starting") from None
    except DatabaseRefuses as error:
        raise CannotStart(error.problem, "database_url") from None
    except DatabaseUnavailable as error:
        place = location.storage_label
        raise CannotStart(f"cannot reach the database {place}: {cause_of_outage(error)}") from None
    except StorageFull as error:
        raise CannotStart(f"{location.storage_label}: {error}") from None
    except UnknownTextSearchConfig as error:
        raise CannotStart(str(error), "text_search_config") from None
    except BarrierNotKept as error:
        raise CannotStart(str(error), "database_url") from None
    except StatementsNotKept as error:
        raise CannotStart(str(error), "database_statement_cache_size") from None
    except (CannotListen, DataFolderInUse, EmbeddedPostgresFailed, ModelUnavailable, SchemaTooNew, OSError) as error:
        raise CannotStart(str(error)) from None
