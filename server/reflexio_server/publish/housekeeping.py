"""What is tidied up in the background: idempotency keys and records of deletions that have had their time."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import structlog

from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.store import user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore

_log = structlog.get_logger("reflexio.housekeeping")

_SECONDS_BETWEEN = 3600


@dataclass
class Housekeeping:
    """Tidies up at start and every hour."""

    database: Database
    publications: PublicationStore
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, also in the middle: each step is a transaction of its own."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def tidy(self) -> None:
        """Do it once.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        await self.publications.forget_old_keys()
        await user_versions.forget_old_deletions(self.database)

    async def _run(self) -> None:
        while True:
            try:
                await self.tidy()
            except DatabaseUnavailable:
                _log.warning("could not tidy up: the database cannot be reached")
            except Exception:  # noqa: BLE001 -- it must not end for good because it failed once.
                _log.exception("could not tidy up")
            await asyncio.sleep(_SECONDS_BETWEEN)
