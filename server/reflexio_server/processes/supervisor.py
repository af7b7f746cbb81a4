"""Several workers on one port, kept alive. This process holds no gRPC object and no model."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.processes.metrics_endpoint import metrics_endpoint
from reflexio_server.processes.shared_port import reserved
from reflexio_server.processes.worker import orders
from reflexio_server.processes.worker_process import WorkerProcess
from reflexio_server.rpc.listening import CannotListen, UnsafeSettings, check_doors
from reflexio_server.settings import Settings
from reflexio_server.store.database_watch import DatabaseWatch
from reflexio_server.store.embedded_postgres import DataFolderInUse, EmbeddedPostgres, EmbeddedPostgresFailed
from reflexio_server.store.location import InvalidDatabaseUrl, location_of
from reflexio_server.store.running_postgres import running
from reflexio_server.telemetry.prometheus import WorkersCollector

_log = structlog.get_logger("reflexio.supervisor")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
"""Seconds before a worker that ended is replaced: longer and longer while they end soon."""

_LONG_LIFE = 60.0
"""Seconds after which a worker's end has nothing to do with its start."""

_SECONDS_TO_END = 15.0
"""For a worker to end, beyond what it leaves to its calls."""


async def supervise(settings: Settings, announce: Callable[[int], None]) -> None:
    """Run `settings.workers` workers until SIGTERM or SIGINT.

    Args:
        settings: What the operator chose.
        announce: Told the port once all of them answer calls.

    Raises:
        CannotStart: One of them does not start, or what they share does not.
    """
    supervisor = Supervisor(seconds_to_end=settings.lame_duck_seconds + settings.drain_seconds + _SECONDS_TO_END)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.stop)
    try:
        check_doors(settings)
        location = location_of(_secret(settings.database_url), settings.data_dir)
        with reserved(settings.host, settings.port) as port:
            async with _database(settings) as url:
                own = settings.model_copy(update={"port": port, "database_url": SecretStr(url)})
                with _metrics(settings) as sockets:
                    workers = [orders(own, location, number, path) for number, path in enumerate(sockets, 1)]
                    await supervisor.run(workers, lambda: announce(port))
    except InvalidDatabaseUrl as error:
        raise CannotStart(str(error), "database_url") from None
    except UnsafeSettings as error:
        raise CannotStart(str(error), error.setting) from None
    except (CannotListen, DatabaseUnavailable, DataFolderInUse, EmbeddedPostgresFailed, OSError) as error:
        raise CannotStart(str(error)) from None


class Supervisor:
    """Starts workers, replaces those that end, and stops them."""

    def __init__(self, *, seconds_to_end: float) -> None:
        """Start nothing yet.

        Args:
            seconds_to_end: How long a worker may take to stop before it is killed.
        """
        self._seconds_to_end = seconds_to_end
        self._orders: Sequence[bytes] = ()
        self._workers: dict[int, WorkerProcess] = {}
        self._stopping = asyncio.Event()

    async def run(self, workers: Sequence[bytes], announce: Callable[[], None]) -> None:
        """Run workers until `stop` is called; it may have been already.

        Args:
            workers: For each worker what `worker.orders` gives.
            announce: Called when all of them answer calls.

        Raises:
            CannotStart: One of them does not start.
            OSError: The system has no room for them.
        """
        self._orders = workers
        keepers: list[asyncio.Task[None]] = []
        try:
            await self._start_all()
            if not self._stopping.is_set():
                announce()
            keepers = [asyncio.create_task(self._keep(index)) for index in self._workers]
            await self._stopping.wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await asyncio.gather(*(worker.end(self._seconds_to_end) for worker in self._workers.values()))

    def stop(self) -> None:
        """Have all workers stop. They do what a signal makes a server do, at each call."""
        self._stopping.set()
        for worker in self._workers.values():
            worker.terminate()

    async def _start_all(self) -> None:
        for index in range(len(self._orders)):
            if self._stopping.is_set():
                return
            self._workers[index] = await self._spawn(index)
        starting = [asyncio.create_task(worker.started()) for worker in self._workers.values()]
        try:
            await asyncio.gather(*starting)
        except CannotStart:
            if not self._stopping.is_set():  # One that was told to stop says nothing.
                raise
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _spawn(self, index: int) -> WorkerProcess:
        threads = max(1, _processors() // len(self._orders))
        return await WorkerProcess.spawn(self._orders[index], threads)

    async def _keep(self, index: int) -> None:
        """Replace a worker whenever it ends."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = await self._workers[index].ended()
            lived = time.monotonic() - began
            pause = _FIRST_PAUSE if lived > _LONG_LIFE else pause
            _log.warning("a worker ended", worker=index + 1, code=code, seconds_until_next=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                self._workers[index] = await self._spawn(index)
                await self._workers[index].started()
            except (CannotStart, OSError) as error:
                _log.warning("a worker does not start", worker=index + 1, reason=str(error))
            else:
                _log.warning("a worker was replaced", worker=index + 1)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    """The URL of the workers' database, which is the embedded Postgres where the settings name no other."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    postgres = EmbeddedPostgres(settings.data_dir, connections=settings.database_connections)
    async with running(postgres) as url:
        watch = DatabaseWatch(url, on_change=_nothing, revive=postgres.restart_if_dead)
        watch.start()
        try:
            yield url
        finally:
            await watch.stop()


@contextmanager
def _metrics(settings: Settings) -> Iterator[Sequence[Path | None]]:
    """For each worker where it is to tell its metrics; all of them are told at the address of the settings."""
    if settings.metrics_port is None:
        yield [None] * settings.workers
        return
    # Short: the path of a Unix socket has about a hundred characters. Nobody else may look into the folder.
    with TemporaryDirectory(prefix="reflexio-") as folder:
        sockets = [Path(folder) / str(number) for number in range(1, settings.workers + 1)]
        registry = CollectorRegistry()
        registry.register(WorkersCollector(sockets))
        with metrics_endpoint(settings.metrics_host, settings.metrics_port, registry):
            yield sockets


async def _nothing(_answers: bool) -> None:
    """Each worker watches the database for itself, and says so to those who ask for its health."""


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
