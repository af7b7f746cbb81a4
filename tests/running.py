"""Servers for tests: whole ones, on free ports, with databases of their own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
from reflexio_server.app import Application
from reflexio_server.embed.embedder import Embedder
from reflexio_server.settings import Settings
from reflexio_server.store.embedded_postgres import EmbeddedPostgres
from reflexio_server.store.roles import ROLE, role_for
from sqlalchemy import make_url

from tests.fakes.embedder import FakeEmbedder, missing_embedder

EmbedderFor = Callable[[str], Embedder]


class Postgres:
    """The embedded Postgres, with a new database for whoever asks."""

    def __init__(self, data_dir: Path) -> None:
        self._embedded = EmbeddedPostgres(data_dir)
        self._numbers = count(1)
        self.superuser_url = make_url(self._embedded.start())
        """The URL of its superuser, whom row-level security does not bind, and of a database without tables."""
        self._provide()

    def new_database(self) -> str:
        """The URL of a database that is empty."""
        name = f"test_{next(self._numbers)}"
        socket_dir = self.superuser_url.query["host"]

        async def create() -> None:
            connection = await asyncpg.connect(host=socket_dir, user="postgres", database="postgres")
            await connection.execute(f"create database {name} owner {ROLE}")
            await connection.close()

        _in_a_loop_of_its_own(create())
        return self.superuser_url.set(username=ROLE, database=name).render_as_string(hide_password=False)

    def _provide(self) -> None:
        async def provide() -> None:
            await role_for(self.superuser_url.render_as_string(hide_password=False), to_log_in=True)
            host = self.superuser_url.query["host"]
            connection = await asyncpg.connect(host=host, user="postgres", database="postgres")
            # So that tests of deadlocks need not wait a second for each.
            await connection.execute(f"grant set on parameter deadlock_timeout to {ROLE}")
            await connection.close()

        _in_a_loop_of_its_own(provide())

    @property
    def programs(self) -> Path:
        """The folder of its own programs, `pg_dump` among them."""
        return self._embedded._server.bin_path

    def stop(self) -> None:
        """End it."""
        self._embedded.stop()


class RunningServer:
    """A server in a thread with a loop of its own, so that blocking clients can call it from a test."""

    def __init__(self, settings: Settings, embedder: Embedder | None, embedder_for: EmbedderFor) -> None:
        self.app: Application
        self._started = threading.Event()
        self._failure: BaseException | None = None
        # What a server is made of belongs to the loop in which it is made.
        self._thread = threading.Thread(
            target=self._run, args=(settings, embedder, embedder_for), name="server under test"
        )
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def target(self) -> str:
        """Where it listens: host and port."""
        return f"127.0.0.1:{self.app.port}"

    @property
    def url(self) -> str:
        """Where it listens, as users write it."""
        return f"http://{self.target}"

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have something done in its loop, from another one."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def stop(self) -> None:
        """End it as SIGTERM would."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self, settings: Settings, embedder: Embedder | None, embedder_for: EmbedderFor) -> None:
        try:
            asyncio.run(self._serve(settings, embedder, embedder_for))
        except BaseException as error:  # noqa: BLE001 -- it belongs to whoever started the thread.
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self, settings: Settings, embedder: Embedder | None, embedder_for: EmbedderFor) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.app = Application(settings, embedder, embedder_for=embedder_for)
        async with self.app:
            self._started.set()
            await self._stop.wait()


@contextmanager
def running_server(database_url: str, **settings: Any) -> Iterator[RunningServer]:
    """A server on a free port with a deterministic embedder.

    `embedder` is another one to begin with; `embedder_for` gives those of other names, and that of the settings'
    `embedding_model` where that is given.
    """
    embedder = settings.pop("embedder", None) or (None if "embedding_model" in settings else FakeEmbedder())
    embedder_for = settings.pop("embedder_for", missing_embedder)
    chosen = Settings(**{"port": 0, "database_url": database_url, "lame_duck_seconds": 0, **settings})
    server = RunningServer(chosen, embedder, embedder_for)
    try:
        yield server
    finally:
        server.stop()


def _in_a_loop_of_its_own(work: Any) -> None:
    thread = threading.Thread(target=lambda: asyncio.run(work))
    thread.start()
    thread.join()
