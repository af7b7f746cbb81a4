"""Notices when Postgres goes away or takes no changes, and when it is back."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from reflexio_server.store.probe import Probe, ReadOnly

_log = structlog.get_logger("reflexio.database")

_SECONDS_BETWEEN = 1.0
_SECONDS_BETWEEN_IN_OUTAGE = 0.3
"""How often to ask."""

_SILENCE_SECONDS = 2.0
"""How long Postgres may leave everybody without an answer before the calls that wait for one are told so."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
"""Seconds between attempts to revive it."""

_MOST_OF_AN_ERROR = 2000


class DatabaseWatch:
    """Asks Postgres every second whether it answers and takes changes. Where not, that is an outage.

    To be used from one event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        on_change: Callable[[bool], Awaitable[None]],
        cut_connections: Callable[[], None] = lambda: None,
        revive: Callable[[], bool] | None = None,
        hint: asyncio.Event | None = None,
    ) -> None:
        """Say whom to watch and whom to tell.

        Args:
            url: A SQLAlchemy URL of the asyncpg driver.
            on_change: Told False when an outage begins and True when it is over.
            cut_connections: Cuts all connections: those on which an answer is waited for in vain, and those that may
                lead to a Postgres that is read-only, while another has taken its place.
            revive: Starts Postgres where it died, and returns whether it had; it blocks, and is called in a thread.
                What it raises is logged, and it is called again after a pause that grows.
            hint: Set by whoever has met an outage, so that it is looked into at once.
        """
        self._probe = Probe(url)
        self._on_change = on_change
        self._cut_connections = cut_connections
        self._revive = revive
        self._hint = hint or asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Of its own: whatever keeps the loop's threads busy, an outage is not prolonged by it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reviving Postgres")

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End. A revival under way goes on in its thread."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._probe.close()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS_BETWEEN):
                    await self._hint.wait()
            self._hint.clear()
            if (failure := await self._probe.failure()) is not None:
                began = time.monotonic()
                await self._on_change(False)
                await self._until_all_is_well(failure, began)
                _log.warning("the database answers again", seconds=round(time.monotonic() - began, 1))
                await self._on_change(True)
            # Hints come as fast as calls fail.
            await asyncio.sleep(_SECONDS_BETWEEN_IN_OUTAGE)

    async def _until_all_is_well(self, failure: Exception | None, began: float) -> None:
        pause, next_revival = _FIRST_PAUSE, began
        before: Exception | None = None
        while failure is not None:
            if before is None or _is_read_only(before) != _is_read_only(failure):
                said = "the database is read-only" if _is_read_only(failure) else "the database does not answer"
                _log.warning(said, cause=repr(failure)[:_MOST_OF_AN_ERROR])
            if self._revive is not None and time.monotonic() >= next_revival:
                await self._attempt_revival(self._revive)
                next_revival = time.monotonic() + pause
                pause = min(2 * pause, _LONGEST_PAUSE)
            before, failure = failure, await self._probe.failure()
            was_read_only = _is_read_only(before) and not _is_read_only(failure)
            is_silent = failure is not None and not _is_read_only(failure)
            if was_read_only or (is_silent and time.monotonic() - began > _SILENCE_SECONDS):
                self._cut_connections()
            if failure is not None:
                await asyncio.sleep(_SECONDS_BETWEEN_IN_OUTAGE)

    async def _attempt_revival(self, revive: Callable[[], bool]) -> None:
        try:
            if await asyncio.get_running_loop().run_in_executor(self._thread, revive):
                _log.warning("started the embedded Postgres again, which had died")
        except Exception as error:  # noqa: BLE001 -- whatever it is, the server stays and tries again.
            _log.warning("cannot start the embedded Postgres again", reason=str(error)[:_MOST_OF_AN_ERROR])


def _is_read_only(failure: Exception | None) -> bool:
    return isinstance(failure, ReadOnly)
