"""A worker as its supervisor sees it."""

import asyncio
import contextlib
import os
import sys
from typing import Self

from reflexio_server.processes.worker import raise_if_failed

WORKER = "reflexio_server.processes.worker"
"""The module that a worker runs."""


class WorkerProcess:
    """A process of `WORKER`. It ends when this one does, however that happens."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Use `spawn`."""
        self._process = process

    @classmethod
    async def spawn(cls, orders: bytes, threads: int) -> Self:
        """Start a worker.

        Args:
            orders: What `worker.orders` gives.
            threads: How many the embedding model may compute with, unless the environment says so.

        Raises:
            OSError: The system has no room for another process.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            WORKER,
            # Kept open: it is at its end when this process is gone, and by that the worker knows.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
            # Ctrl-C is for the supervisor, which tells the workers.
            start_new_session=True,
        )
        if process.stdin is not None:
            with contextlib.suppress(ConnectionError):  # It ended at once; `started` says so.
                process.stdin.write(orders)
                await process.stdin.drain()
        return cls(process)

    async def started(self) -> None:
        """Return when it answers calls.

        Raises:
            CannotStart: It does not, and says why.
        """
        raise_if_failed(b"" if self._process.stdout is None else await self._process.stdout.readline())

    async def ended(self) -> int:
        """Wait for its end. Returns the exit code; a negative one is a signal's number."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Tell it to stop."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def end(self, seconds: float) -> None:
        """Stop it, and kill it when it has not ended after so many seconds."""
        self.terminate()
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
