"""The file of a spool: its tables, how it is opened, and what is done when it is damaged or gone."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

Identity: TypeAlias = tuple[int, int] | None
"""Which file it is, whatever its name; None where there is none."""

BUSY_SECONDS = 0.05
"""How long whoever uses the file waits for those who have it locked: an agent must not stand still for longer."""

_VERSION = 1
_LOG_BYTES_KEPT = 4 * 1024 * 1024

_SCHEMA = (
    """create table if not exists entries (
        seq integer primary key autoincrement,
        lane blob not null,
        handed_over_at integer not null,
        size integer not null,
        payload blob not null
    )""",
    "create index if not exists entries_by_lane on entries (lane, seq)",
    # Beside the entries: noting an attempt must not write a picture again.
    "create table if not exists attempts (seq integer primary key, attempted_at integer not null)",
    "create table if not exists totals (entries integer not null, bytes integer not null)",
    "insert into totals select 0, 0 where not exists (select 1 from totals)",
    """create trigger if not exists entry_added after insert on entries begin
        update totals set entries = entries + 1, bytes = bytes + new.size;
    end""",
    """create trigger if not exists entry_removed after delete on entries begin
        update totals set entries = entries - 1, bytes = bytes - old.size;
        delete from attempts where seq = old.seq;
    end""",
    f"pragma user_version = {_VERSION}",
)


def identity(path: Path) -> Identity:
    """Which file has this name now."""
    try:
        state = os.stat(path)  # noqa: PTH116  # Called at each hand-over; this is the quicker one.
    except OSError:
        return None
    return state.st_dev, state.st_ino


def opened(path: Path) -> sqlite3.Connection:
    """Open the file, and make it where there is none. Nobody but the user may read it.

    Raises:
        sqlite3.Error: It cannot be opened.
        OSError: Its folder cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not where there is one already: closing it would drop the locks that this process has on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Add what is in one spool to another, in the same order.

    Raises:
        sqlite3.Error: One of them cannot be used. Nothing was added.
    """
    query = "select e.lane, e.handed_over_at, e.size, e.payload, a.attempted_at from entries e left join attempts a"
    target.execute("begin immediate")
    try:
        for *row, attempted_at in source.execute(f"{query} using (seq) order by e.seq"):
            added = target.execute("insert into entries (lane, handed_over_at, size, payload) values (?, ?, ?, ?)", row)
            if attempted_at is not None:
                target.execute("insert into attempts values (?, ?)", (added.lastrowid, attempted_at))
    except BaseException:
        target.execute("rollback")
        raise
    target.execute("commit")


def is_damaged(error: BaseException) -> bool:
    """Whether the error says that the file is no sound SQLite file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_busy(error: BaseException) -> bool:
    """Whether the error says that somebody else has the file locked."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that a new one takes its place and somebody may have a look at it."""
    stamp = f"damaged-{time.time_ns()}"
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        with suppress(OSError):
            file.rename(path.with_name(f"{path.name}-{stamp}{suffix}"))


def _prepare(connection: sqlite3.Connection) -> None:
    # Somebody else may be doing the same; SQLite does not wait for each of these by itself.
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            _set_up(connection)
        except sqlite3.OperationalError as error:
            with suppress(sqlite3.Error):
                connection.execute("rollback")
            if not is_busy(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.005)
        else:
            return


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("pragma auto_vacuum = incremental")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute("pragma wal_autocheckpoint = 0")
    connection.execute(f"pragma journal_size_limit = {_LOG_BYTES_KEPT}")
    version = connection.execute("pragma user_version").fetchone()[0]
    if version > _VERSION:
        problem = f"a newer version of this client made it (format {version}, known is {_VERSION})"
        raise sqlite3.DatabaseError(problem)
    if version < _VERSION:
        connection.execute("begin immediate")
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("commit")
