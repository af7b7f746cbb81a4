"""The spool: publishes on disk, in a SQLite file that several threads and processes share.

A publish is committed before it counts as taken. With SQLite's write-ahead log and `synchronous=NORMAL` a commit is a
write into the system's page cache: it survives whatever happens to the process. It survives a loss of power from the
next checkpoint on, which the sender makes about every second (`checkpoint`), never the caller. The caller syncs only
the beginning of the log, when its commit is the first after a checkpoint: else a loss of power could damage the file.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reflexio.background import spool_file
from reflexio.background.errors import SpoolBusyError, SpoolError, SpoolFullError
from reflexio.background.publication import Encoded

_ROW_BYTES = 100
"""What a row takes beside what was handed over: its columns, its place in the index."""
_LARGEST_LOG = 64 * 1024 * 1024
_CHECKPOINT_EVERY_SECONDS = 1.0

_INSERT = (
    "insert into entries (lane, handed_over_at, size, payload) select ?, ?, ?, ?"
    " where (select bytes from totals) + ? <= ?"
)
_NEXT = (
    "select e.seq, e.handed_over_at, a.attempted_at, e.payload from entries e left join attempts a using (seq)"
    " where e.lane = ? and e.seq > ? order by e.seq limit 1"
)
_OLDEST = (
    "select e.seq, e.handed_over_at, a.attempted_at, e.payload from entries e left join attempts a using (seq)"
    " order by e.seq limit 1"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A publish in the spool."""

    seq: int
    """Its place: greater than that of everything handed over before it."""
    handed_over_at: int
    """Nanoseconds since the epoch."""
    attempted_at: int | None
    """When it was first sent, in nanoseconds since the epoch; None if it never was."""
    payload: bytes


class Spool:
    """One process's way to a spool. Any thread may use it; the file is opened when it is needed."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path = path
        self._most_bytes = most_bytes
        # Reentrant: a signal handler may hand something over while its thread is in here.
        self._lock = threading.RLock()
        self._checkpointing = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: spool_file.Identity | None = None
        self._checkpointed: tuple[int, int] | None = None
        self._checkpoint_at = 0.0
        self.generation = 0
        """Grows when the file turns out to be another one: places in it mean something else from then on."""

    def add(self, publish: Encoded, *, drop_oldest: bool) -> list[Entry]:
        """Store a publish. It survives the end of the process from the moment when this returns.

        Returns:
            What was dropped to make room; never anything unless `drop_oldest`.

        Raises:
            SpoolFullError: There is no room.
            SpoolBusyError: Somebody else keeps the file locked.
            SpoolError: The file cannot be written.
        """
        size = len(publish.payload) + len(publish.lane) + _ROW_BYTES
        row = (publish.lane, publish.handed_over_at, size, publish.payload, size, self._most_bytes)
        with self._opened() as connection:
            if connection.execute(_INSERT, row).rowcount == 1:
                return []
            if not drop_oldest or size > self._most_bytes:
                problem = f"{size:,} bytes more would be above max_bytes, {self._most_bytes:,}"
                raise SpoolFullError(f"the spool {self.path} is full: {problem}")
            with _transaction(connection):
                dropped = []
                while connection.execute(_INSERT, row).rowcount != 1:
                    oldest = connection.execute(_OLDEST).fetchone()
                    if oldest is None:
                        raise SpoolError(f"the spool {self.path} miscounts what is in it")
                    connection.execute("delete from entries where seq = ?", oldest[:1])
                    dropped.append(Entry(*oldest))
                return dropped

    def lanes_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Place and lane of the next publishes after a place, whatever their lane."""
        with self._opened() as connection:
            found = connection.execute("select seq, lane from entries where seq > ? order by seq limit ?", (seq, limit))
            return found.fetchall()

    def next_of(self, lane: bytes, after: int) -> Entry | None:
        """The oldest publish of a lane after a place."""
        with self._opened() as connection:
            row = connection.execute(_NEXT, (lane, after)).fetchone()
        return Entry(*row) if row is not None else None

    def note_attempts(self, seqs: Iterable[int], now: int) -> None:
        """Remember that these are about to be sent; the time of the first attempt stays."""
        with self._opened() as connection, _transaction(connection):
            connection.executemany("insert or ignore into attempts values (?, ?)", [(seq, now) for seq in seqs])

    def remove(self, seqs: Sequence[int]) -> None:
        """Remove what is done with."""
        with self._opened() as connection, _transaction(connection):
            connection.executemany("delete from entries where seq = ?", [(seq,) for seq in seqs])

    def last_place(self) -> int:
        """The place of the newest publish, 0 where there is none."""
        with self._opened() as connection:
            return int(connection.execute("select coalesce(max(seq), 0) from entries").fetchone()[0])

    def has_any_until(self, seq: int) -> bool:
        """Whether anything is left that was handed over no later than what has this place."""
        with self._opened() as connection:
            query = "select exists (select 1 from entries where seq <= ?)"
            return bool(connection.execute(query, (seq,)).fetchone()[0])

    def totals(self) -> tuple[int, int]:
        """How many publishes there are, and how many bytes they take."""
        with self._opened() as connection:
            entries, size = connection.execute("select entries, bytes from totals").fetchone()
        return int(entries), int(size)

    def checkpoint_when_due(self) -> None:
        """Make a checkpoint, unless the last one was less than a second ago. If it fails, nothing is lost by that."""
        now = time.monotonic()
        if now >= self._checkpoint_at:
            self._checkpoint_at = now + _CHECKPOINT_EVERY_SECONDS
            with suppress(SpoolError):
                self.checkpoint()

    def checkpoint(self) -> None:
        """Carry what was written since the last time from the log into the file, and sync both. Callers go on.

        Raises:
            SpoolError: It failed; nothing is lost by that.
        """
        log = self.path.with_name(self.path.name + "-wal")
        with self._checkpointing, self._failing():
            state = log.stat()
            if (state.st_size, state.st_mtime_ns) == self._checkpointed:
                return
            connection = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            try:
                connection.execute("pragma synchronous = normal")
                connection.execute("pragma wal_checkpoint(passive)")
                if state.st_size > _LARGEST_LOG:
                    # Whoever never pauses keeps the log from starting over. Here alone a caller may wait for the disk.
                    with self._lock:
                        connection.execute("pragma wal_checkpoint(truncate)")
                connection.execute("pragma incremental_vacuum(1000)").fetchall()
            finally:
                connection.close()
            state = log.stat()
            self._checkpointed = (state.st_size, state.st_mtime_ns)

    def close(self) -> None:
        """Close the file; using the spool opens it again."""
        with self._lock, suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def before_fork(self) -> None:
        """Close the file and hold on: SQLite's own knowledge of locks must not get into a child."""
        self._checkpointing.acquire()
        self._lock.acquire()
        self.close()

    def after_fork(self) -> None:
        """Go on, in the parent and in the child."""
        self._lock.release()
        self._checkpointing.release()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if not self._lock.acquire(timeout=spool_file.BUSY_SECONDS):
            raise SpoolBusyError(f"another thread is using the spool {self.path}")
        try:
            with self._failing():
                connection = self._connection
                if connection is None or self._identity is None or spool_file.identity(self.path) != self._identity:
                    connection = self._open(connection)
                yield connection
        finally:
            self._lock.release()

    def _open(self, former: sqlite3.Connection | None) -> sqlite3.Connection:
        connection = spool_file.opened(self.path)
        identity = spool_file.identity(self.path)
        if identity != self._identity:
            self.generation += 1
        self._connection, self._identity = connection, identity
        if former is not None:
            # Somebody removed the file. What was in it is still there for who has it open.
            with suppress(sqlite3.Error):
                spool_file.copy(former, connection)
            with suppress(sqlite3.Error):
                former.close()
        return connection

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, OSError, RuntimeError) as error:
            if spool_file.is_damaged(error):
                self.close()
                spool_file.set_aside(self.path)
            if spool_file.is_busy(error):
                raise SpoolBusyError(f"somebody else keeps the spool {self.path} locked") from error
            raise SpoolError(f"the spool {self.path} cannot be used: {error}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")
