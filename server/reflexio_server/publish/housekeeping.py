"""What is done in the background: what has had its time is deleted."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from reflexio_server.domain.errors import PASSING_FAULTS
from reflexio_server.publish import retention
from reflexio_server.publish.retention import Retention
from reflexio_server.store import transition, user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore

_log = structlog.get_logger("reflexio.housekeeping")

_SECONDS_BETWEEN = 3600.0
_SECONDS_BETWEEN_LOOKS = 60.0


@dataclass
class Housekeeping:
    """Tidies up at start and every hour; every minute applies age limits and looks whether older servers are gone."""

    database: Database
    publications: PublicationStore
    retention: Retention
    _tasks: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    def start(self) -> None:
        """Begin, in the background."""
        steps: tuple[tuple[Callable[[], Awaitable[object]], float], ...] = (
            (self.tidy, _SECONDS_BETWEEN),
            (self.retention.apply, retention.SECONDS_BETWEEN),
            (lambda: transition.close_barrier(self.database), _SECONDS_BETWEEN_LOOKS),
        )
        self._tasks = [asyncio.create_task(_repeat(step, seconds)) for step, seconds in steps]

    async def stop(self) -> None:
        """End, also in the middle: each step is a transaction of its own."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def tidy(self) -> None:
        """Delete idempotency keys and records of deletions that have had their time.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        await self.publications.forget_old_keys()
        await user_versions.forget_old_deletions(self.database)


async def _repeat(step: Callable[[], Awaitable[object]], seconds: float) -> None:
    while True:
        try:
            await step()
        except PASSING_FAULTS as error:
            _log.warning("could not tidy up", reason=error.reason.name)
        except Exception:  # noqa: BLE001 -- it must not end for good because it failed once.
            _log.exception("could not tidy up")
        await asyncio.sleep(seconds)
