"""The backlog: what is committed but not embedded yet, worked off whatever happens.

Postgres has the queue (`store.embedding_queue`). A server holds a part of it in memory: what was published here, as
long as there is room, what a search or a caller waits for, and otherwise what the sweeper claims, portion by portion.
Nothing depends on a claim: vectors are stored only for rows that the same transaction takes from the queue.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import structlog

from reflexio_server.domain.errors import PASSING_FAULTS, NotReady
from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.embed.claims import FairClaims
from reflexio_server.embed.embedding import Embedding
from reflexio_server.embed.fair_queue import Owner
from reflexio_server.embed.held import HeldWork, Work
from reflexio_server.embed.writer import VectorWriter
from reflexio_server.store import embedding_queue, queue_figures
from reflexio_server.store.database import Database
from reflexio_server.store.embedding_queue import QueuedText
from reflexio_server.store.queue_figures import QueueCounts, SetAside

_log = structlog.get_logger("reflexio.embed")

LEASE_SECONDS = 30.0
"""How long a row of the queue is left to the server that took it."""

_SWEEP_SECONDS = 1.0
_LONGEST_PAUSE = 10.0
"""How often to look into the queue; how long to wait at most while that fails."""

_PORTION = 256
"""How many texts the sweeper takes at a time, and how few it lets itself run down to: little, so that other servers
get their share and leases do not run out in memory."""
_PORTION_BYTES = 4 * 1024 * 1024

_MOST_CAUGHT_UP = 256
"""For so many of a user's interactions a search waits at most."""

_LITTLE = 1024
"""With so little waiting, a few seconds of work, publishes go first. With more they share the processors with what they
cause, or it would grow for ever under a load that the processors can bear."""

_SHOWN_SET_ASIDE = 10

_FIRST_POLL = 0.02
_SLOWEST_POLL = 0.5
"""How often to look whether another server is done, in seconds."""


class NotEmbedded(NamedTuple):
    """How many of a user's interactions can be found by their words only."""

    waiting: int
    """They will be embedded."""
    set_aside: int
    """The model failed on them."""


class Backlog:
    """Has everything embedded that was published. To be used from one event loop."""

    def __init__(
        self, database: Database, embedding: Embedding, on_left: Callable[[OrgId, UserId], None] = lambda *_: None
    ) -> None:
        """`on_left` is called with the owner of each interaction that left the queue through this server."""
        self._database = database
        self._embedding = embedding
        self._held = HeldWork(on_left)
        self._claims = FairClaims(database)
        self._writer = VectorWriter(database, embedding, self._held, self._after_progress, self._give_back)
        self._wake = asyncio.Event()
        self._to_release: list[tuple[OrgId, InteractionId]] = []
        self._more_waiting = False
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin with what is waiting in Postgres."""
        self._wake.set()
        self._tasks = [asyncio.create_task(self._sweep_forever()), asyncio.create_task(self._writer.run())]

    async def stop(self) -> None:
        """End. What is not embedded stays in Postgres, free for whoever comes next."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._to_release += [(work.org_id, work.interaction_id) for work in self._held]
        self._held.clear()
        with contextlib.suppress(*PASSING_FAULTS):
            await self._release()

    def has_room(self, org_id: OrgId, user_id: UserId, count: int) -> bool:
        """Whether `count` more texts of a user may be handed over.

        Their rows are then to be leased for `LEASE_SECONDS`.
        """
        return self._held.has_room((org_id, user_id), count, 1, wanted=False)

    def hand_over(self, org_id: OrgId, user_id: UserId, items: Sequence[tuple[InteractionId, str]]) -> None:
        """Take over texts that were just committed with a lease. What does not fit is given free again."""
        if len(self._held) < _LITTLE:
            self._embedding.spare()
        for interaction_id, text in items:
            queued = QueuedText(org_id, user_id, interaction_id, text)
            if self._take(queued, queued.owner, _now() + LEASE_SECONDS, wanted=False) is None:
                self._to_release.append((org_id, interaction_id))
        if self._to_release:
            self._wake.set()

    def wake(self) -> None:
        """Have a look into the queue soon."""
        self._wake.set()

    def start_over(self) -> None:
        """Give back what is being embedded, because another model is active now; it is taken again with that."""
        self._give_back(list(self._held))

    async def wait_for(self, org_id: OrgId, interaction_ids: Collection[InteractionId]) -> None:
        """Return when none of the interactions waits for being embedded any more, here or elsewhere.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            NotReady: The server is stopping.
        """
        pending = set(interaction_ids)
        poll = _FIRST_POLL
        while pending:
            works, gone = await self._wanted(org_id, pending, leased_too=False)
            pending -= gone
            if works:
                await asyncio.wait([work.done for work in works])
                pending -= {work.interaction_id for work in works if work.left_queue}
            elif pending:
                await asyncio.sleep(poll)
                poll = min(2 * poll, _SLOWEST_POLL)

    async def catch_up(self, org_id: OrgId, user_id: UserId, timeout_seconds: float) -> NotEmbedded:
        """Have a user's interactions embedded that are not yet, the newest first, before those nobody waits for.

        Args:
            org_id: Whose.
            user_id: Of which user.
            timeout_seconds: How long to wait for that at most.

        Returns:
            How many are still not embedded.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            NotReady: The server is stopping.
        """
        async with self._database.autocommit(org_id) as connection:
            queue = await embedding_queue.of_user(connection, org_id, user_id, _MOST_CAUGHT_UP)
        if not queue.newest or timeout_seconds <= 0:
            return NotEmbedded(queue.waiting, queue.set_aside)
        works, gone = await self._wanted(org_id, queue.newest, leased_too=True)
        if works:
            await asyncio.wait([work.done for work in works], timeout=timeout_seconds)
        waiting = queue.waiting - len(gone) - sum(work.left_queue for work in works)
        return NotEmbedded(waiting, queue.set_aside)

    async def newest_set_aside(self, org_id: OrgId) -> Sequence[SetAside]:
        """The newest of an organisation's interactions that the model failed on, a few of them.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        async with self._database.autocommit(org_id) as connection:
            return await queue_figures.newest_set_aside(connection, org_id, _SHOWN_SET_ASIDE)

    async def counts(self, org_id: OrgId) -> QueueCounts:
        """How many of an organisation's interactions wait, and how many were set aside because the model failed.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        async with self._database.autocommit(org_id) as connection:
            return await queue_figures.counts(connection, org_id)

    async def _wanted(
        self, org_id: OrgId, interaction_ids: Collection[InteractionId], *, leased_too: bool
    ) -> tuple[list[Work], set[InteractionId]]:
        """Put interactions in front. Returns the work on those that are done here, and those that wait no more."""
        if self._stopped:
            raise NotReady("stopping")
        works = [work for i in interaction_ids if (work := self._held.get(org_id, i)) is not None]
        for work in works:
            self._embedding.promote(work.job)
        self._writer.awaited(works)
        elsewhere = set(interaction_ids).difference(work.interaction_id for work in works)
        if not elsewhere:
            return works, elsewhere
        async with self._database.autocommit(org_id) as connection:
            room = self._held.room_bytes(wanted=True)
            queued = await embedding_queue.read(connection, org_id, elsewhere, room, leased_too=leased_too)
        # Unleased: another server may have it too; the renewal leases it to us.
        works += [work for q in queued if (work := self._take(q, q.owner, 0.0, wanted=True)) is not None]
        return works, elsewhere.difference(q.interaction_id for q in queued)

    def _take(self, queued: QueuedText, share: Owner, leased_until: float, *, wanted: bool) -> Work | None:
        """Embed a text here; None where there is no room in its owner's share, or at all where it takes no share."""
        work = self._held.get(queued.org_id, queued.interaction_id)
        if work is not None:
            work.leased_until = max(work.leased_until, leased_until)
            if wanted:
                self._embedding.promote(work.job)
                self._writer.awaited([work])
            return work
        if self._stopped or queued.text is None:
            return None
        size = len(queued.text.encode())
        if not self._held.has_room(share, 1, size, wanted=wanted):
            return None
        embedder = self._embedding.embedder
        job = self._embedding.embed_document(queued.text, wanted=wanted, owner=queued.owner)
        work = Work(queued.org_id, queued.user_id, queued.interaction_id, size, leased_until, job, wanted=wanted)
        self._held.add(work)
        job.result.add_done_callback(lambda _: self._writer.embedded(work, embedder))
        return work

    def _give_back(self, works: Sequence[Work]) -> None:
        for work in works:
            # Perhaps it was given back before, and taken again.
            if self._held.get(work.org_id, work.interaction_id) is work:
                work.job.result.cancel()
                self._held.finish(work, left_queue=False)
                self._to_release.append((work.org_id, work.interaction_id))
        self._wake.set()

    async def _sweep_forever(self) -> None:
        pause = _SWEEP_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._release()
                await self._renew()
                await self._sweep()
                pause = _SWEEP_SECONDS
            except PASSING_FAULTS:
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Exception:  # noqa: BLE001 -- it must not end for good because it failed once.
                _log.exception("could not look into the embedding queue")
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _sweep(self) -> None:
        """Claim what nobody works on, until there is enough to do."""
        while len(self._held) < _PORTION and self._held.room_bytes(wanted=False) > _PORTION_BYTES:
            claimed = await self._claims.next(_PORTION, _PORTION_BYTES, LEASE_SECONDS)
            self._more_waiting = bool(claimed)
            if not claimed:
                return
            for queued in claimed:
                # Users have had their shares already: that they take turns is what the claims see to.
                self._take(queued, None, _now() + LEASE_SECONDS, wanted=False)

    async def _renew(self) -> None:
        """Prolong the leases of what is still being worked on."""
        soon = _now() + LEASE_SECONDS / 2
        due = [work for work in self._held if work.leased_until < soon]
        leased_until = _now() + LEASE_SECONDS
        await self._lease([(work.org_id, work.interaction_id) for work in due], LEASE_SECONDS)
        for work in due:
            work.leased_until = leased_until

    async def _release(self) -> None:
        released, self._to_release = self._to_release, []
        await self._lease(released, 0.0)

    async def _lease(self, rows: Sequence[tuple[OrgId, InteractionId]], seconds: float) -> None:
        by_org: dict[OrgId, list[InteractionId]] = defaultdict(list)
        for org_id, interaction_id in rows:
            by_org[org_id].append(interaction_id)
        for org_id, interaction_ids in by_org.items():
            async with self._database.autocommit(org_id) as connection:
                await embedding_queue.lease(connection, org_id, interaction_ids, seconds)

    def _after_progress(self) -> None:
        if self._more_waiting and len(self._held) < _PORTION:
            self._wake.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
