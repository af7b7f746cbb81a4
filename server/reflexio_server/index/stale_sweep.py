"""What was deleted leaves the memory of servers that nobody asks about it."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import structlog

from reflexio_server.domain.errors import PASSING_FAULTS
from reflexio_server.index.partition_cache import PartitionCache

_log = structlog.get_logger("reflexio.index")

_SECONDS_BETWEEN = 60.0


@dataclass
class StaleSweep:
    """Drops stale partitions every minute."""

    cache: PartitionCache
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN)
            try:
                await self.cache.drop_stale()
            except PASSING_FAULTS as error:
                _log.warning("could not look for stale partitions", reason=error.reason.name)
            except Exception:  # noqa: BLE001 -- it must not end for good because it failed once.
                _log.exception("could not look for stale partitions")
