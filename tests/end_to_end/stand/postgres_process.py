"""A Postgres that can be killed, stopped and started again."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from reflexio_server.store.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresFailed
from sqlalchemy import make_url

_END_SECONDS = 60


class PostgresProcess:
    """The embedded Postgres in a folder, run by the harness for servers that are given its URL."""

    def __init__(self, data_dir: Path) -> None:
        self._embedded = EmbeddedPostgres(data_dir)
        self.socket_dir = Path()
        """Where its Unix socket is."""
        self.start()

    def start(self) -> None:
        """Start it, after whatever."""
        self.socket_dir = Path(make_url(self._embedded.start()).query["host"])

    @property
    def is_running(self) -> bool:
        """Whether its main process is there."""
        try:
            return postmaster(self._embedded.data_dir).is_running()
        except (FileNotFoundError, psutil.NoSuchProcess):
            return False

    def end(self) -> None:
        """Stop it, if it runs, and let the folder go."""
        with contextlib.suppress(EmbeddedPostgresFailed):
            self._embedded.stop()

    def kill(self) -> None:
        """SIGKILL to all of its processes at once."""
        kill_postgres(self._embedded.data_dir)
        self.end()

    def kill_a_backend(self) -> None:
        """SIGKILL to one process that serves a connection: Postgres then ends all others and recovers by itself."""
        for process in postmaster(self._embedded.data_dir).children():
            if "reflexio" in " ".join(process.cmdline()) or "postgres: postgres" in " ".join(process.cmdline()):
                process.kill()
                return

    def stop(self, *, immediate: bool) -> None:
        """Stop it with its connections open: in order, or at once, which leaves it to recover."""
        process = postmaster(self._embedded.data_dir)
        process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
        process.wait(_END_SECONDS)
        self.end()

    def url(self, database: str, socket_dir: Path | None = None) -> str:
        """The URL of a database, directly or through another socket."""
        return f"postgresql://postgres@/{database}?host={socket_dir or self.socket_dir}"

    def execute(self, database: str, statement: str) -> None:
        """Run one statement, or several."""
        in_a_loop_of_its_own(_execute(self.socket_dir, database, statement))


def postmaster(data_dir: Path) -> psutil.Process:
    """The main process of the embedded Postgres in a data folder."""
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    return psutil.Process(pid)


def kill_postgres(data_dir: Path) -> None:
    """SIGKILL to all processes of the embedded Postgres in a data folder."""
    main = postmaster(data_dir)
    family = [main, *main.children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, _END_SECONDS)


def socket_dir_of(data_dir: Path) -> Path:
    """Where the socket of the Postgres is that runs in a data folder."""
    return Path((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[4])


def in_a_loop_of_its_own(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, wherever one is: the test's thread may have a loop already."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 -- it is raised below, where somebody waits.
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


async def _execute(socket_dir: Path, database: str, statement: str) -> None:
    connection = await asyncpg.connect(host=str(socket_dir), user="postgres", database=database)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
