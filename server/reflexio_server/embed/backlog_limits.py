"""How much may wait for being embedded: a bound for each user and for each organisation.

Counting at each publish would cost a query. So the queue is counted in the background, in one grouped query, and in
between this server adds what it accepts and takes off what it finishes. The figure is too low by what other servers
have accepted since the last count, and by a fiftieth of the limit for users who had less than that waiting; it is too
high by what others have finished since, and by what was deleted. A count takes place every second, or seldom enough to
cost a twentieth of a connection's time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from reflexio_server.domain.errors import PASSING_FAULTS, BacklogFull, NotReady
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store import queue_figures
from reflexio_server.store.database import Database
from reflexio_server.store.reach import Purpose

_log = structlog.get_logger("reflexio.embed")

_LEAST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_PAUSES_A_COUNT = 20
"""How long to wait between two counts: so many times what one took, within seconds."""

_SECONDS_BETWEEN_LOOKS = 0.1
"""How often a load that waits looks whether there is room."""

_UNCOUNTED_PART = 50
"""Users with less than this part of the limit are not asked for."""


class BacklogLimits:
    """Knows roughly how much of whom waits. To be used from one event loop."""

    def __init__(
        self, database: Database, *, most_of_user: int, most_of_organization: int, stopping: asyncio.Event
    ) -> None:
        """`stopping` is set when the server stops: nobody waits for room then."""
        self._database = database
        self._stopping = stopping
        self._most_of_user = most_of_user
        self._most_of_organization = most_of_organization
        self._counted: dict[tuple[OrgId, UserId | None], int] = {}
        # Since the last count began; users' and, with None, organisations'.
        self._since: Counter[tuple[OrgId, UserId | None]] = Counter()
        self._set_aside = 0
        self._oldest: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to count, in the background."""
        self._task = asyncio.create_task(self._count_forever())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def check(self, org_id: OrgId, user_id: UserId, count: int) -> None:
        """Check that `count` more interactions of a user may wait. Where nothing waits, any number may.

        Raises:
            BacklogFull: They may not.
        """
        for scope, waiting, most in self._scopes(org_id, user_id):
            if waiting and waiting + count > most:
                raise BacklogFull(scope, waiting, most)

    async def wait_for_room(self, org_id: OrgId, user_id: UserId, count: int) -> None:
        """Return when `count` more interactions of a user may wait that came with a load of very many.

        Such a load takes half of what there is, so that single publishes find room beside it.

        Raises:
            NotReady: The server is stopping.
        """
        while any(
            waiting and waiting + count > (most // 2 if count <= most // 2 else most)
            for _, waiting, most in self._scopes(org_id, user_id)
        ):
            if self._stopping.is_set():
                raise NotReady("stopping")
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    def _scopes(self, org_id: OrgId, user_id: UserId) -> Sequence[tuple[str, int, int]]:
        """For the user and the organisation: what it is called, how many wait, and how many may."""
        return (
            ("user", self._waiting((org_id, user_id)), self._most_of_user),
            ("organization", self._waiting((org_id, None)), self._most_of_organization),
        )

    @property
    def waiting(self) -> int:
        """Roughly how many interactions of everybody wait."""
        # Copied first: whoever asks for metrics does so from a thread.
        organizations = {key for key in (*list(self._counted), *list(self._since)) if key[1] is None}
        return sum(map(self._waiting, organizations))

    @property
    def set_aside(self) -> int:
        """How many interactions of everybody the model failed on for good, at the last count."""
        return self._set_aside

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest that waited at the last count has waited by now; 0 where nothing did."""
        return 0.0 if self._oldest is None else max(0.0, time.monotonic() - self._oldest)

    def accepted(self, org_id: OrgId, user_id: UserId, count: int) -> None:
        """Note that `count` interactions of a user wait from now on; with a negative count, no more."""
        self._since[org_id, user_id] += count
        self._since[org_id, None] += count

    def left(self, org_id: OrgId, user_id: UserId) -> None:
        """Note that an interaction of a user waits no more."""
        self.accepted(org_id, user_id, -1)

    def _waiting(self, key: tuple[OrgId, UserId | None]) -> int:
        return max(self._counted.get(key, 0) + self._since[key], 0)

    async def _count_forever(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            began = loop.time()
            try:
                await self._count()
            except PASSING_FAULTS:
                pause = _LEAST_PAUSE
            except Exception:  # noqa: BLE001 -- it must not end for good because it failed once.
                _log.exception("could not count the backlog")
                pause = _LONGEST_PAUSE
            else:
                pause = min(max(_PAUSES_A_COUNT * (loop.time() - began), _LEAST_PAUSE), _LONGEST_PAUSE)

    async def _count(self) -> None:
        # What changes while it is counted may be in the count already, and is then counted twice until the next one.
        before = Counter(self._since)
        async with self._database.autocommit(Purpose.EMBEDDING) as connection:
            sizes = await queue_figures.sizes(connection, self._most_of_user // _UNCOUNTED_PART)
        self._since.subtract(before)
        self._since = Counter({key: change for key, change in self._since.items() if change})
        self._counted = dict(sizes.waiting)
        self._set_aside = sizes.set_aside
        self._oldest = None if sizes.oldest_seconds is None else time.monotonic() - sizes.oldest_seconds
