"""Which of the publishers that share a spool sends what is in it."""

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # Asked for below.
    import msvcrt

_holders: dict[tuple[int, str], "SenderLock"] = {}


class SenderLock:
    """A lock that at most one publisher of all processes holds, and that a process loses when it ends, however.

    A forked child does not inherit it. Within one process the system would give it to everybody, so a table decides.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entry = (os.getpid(), str(path))
        self._file: int | None = None

    def acquire(self) -> bool:
        """Take the lock unless somebody else has it.

        Raises:
            OSError: The file cannot be made.
        """
        if self._file is not None:
            return True
        # Atomic: no lock of Python's that a fork could leave locked.
        if _holders.setdefault(self._entry, self) is not self:
            return False
        try:
            # Not inheritable by programs that this process starts.
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            del _holders[self._entry]
            raise
        if not _locked(file):
            os.close(file)
            del _holders[self._entry]
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let somebody else have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            del _holders[self._entry]


def _locked(file: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
