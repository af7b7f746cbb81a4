"""A disk that is really full: a small one in memory, where the system lets us mount it."""

import contextlib
import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SIZE = "600m"
_CHUNK = b"\0" * 1024 * 1024


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a small disk at `folder`; None, said aloud, where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0755", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"SKIPPED: the fault of a disk that is really full, for {command} failed: {error}", file=sys.stderr)
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no room on a disk for the length of the block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                if file.write(_CHUNK) < len(_CHUNK):
                    break
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                break
    try:
        yield
    finally:
        filler.unlink()
