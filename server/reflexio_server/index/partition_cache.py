"""All partitions that are in memory: loaded when first used, the least recently used dropped when memory is short."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import structlog

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.embed.embedder import NamedModel
from reflexio_server.index.evidence import Evidence, Question
from reflexio_server.index.free_memory import give_back
from reflexio_server.index.freshness import FollowedPartition
from reflexio_server.index.in_thread import in_thread
from reflexio_server.index.interaction_index import Indexed
from reflexio_server.index.partition import Partition
from reflexio_server.index.shared_lock import SharedLock
from reflexio_server.store import user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_rows import InteractionRows
from reflexio_server.store.reach import Purpose
from reflexio_server.telemetry import metrics

_INLINE_BYTES = 40 * 1024 * 1024
"""Up to so many bytes of vectors, or what takes as long, are looked through in the event loop: two or three
milliseconds. More is looked through in a thread, which costs one or two itself where both cores are busy."""

_WAITING_BYTES = 40_000
"""What an interaction that waits for its vectors costs a search: its words have to be sorted in first."""

_INLINE_CHANGE_BYTES = 1024 * 1024
"""Up to so many bytes are added or moved in the event loop: that takes two milliseconds or three, most of it for what
is worked out of a thousand interactions one by one."""

_LARGE_LOAD_BYTES = 16 * 1024 * 1024
"""After a load of so much, what it took beside that is given back. It is half as much again."""

_THREADS = 4

_SWEPT_AT_ONCE = 1000
"""Of so many partitions at a time a sweep asks whether they are stale."""

_MIB = 1024 * 1024

_log = structlog.get_logger("reflexio.index")

T = TypeVar("T")

Key = tuple[OrgId, UserId, str]
"""Whose partition, and the name of the model that made its vectors."""


class _Entry:
    """A partition in the cache."""

    def __init__(self, followed: FollowedPartition) -> None:
        self.followed = followed
        self.lock = SharedLock()
        self.users = 0
        """How many calls are using it: it is not dropped then, or the next call would load it a second time."""
        self.nbytes = 0
        self.beside = False
        """Whether it is not counted in the budget: while it is loaded, or because it is larger than the budget."""
        self.oversized = False
        """Whether it holds the place of the one partition that may be larger than the budget."""


class PartitionCache:
    """An `InteractionIndex` over what Postgres holds. To be used from one event loop."""

    def __init__(self, database: Database, embedder: NamedModel, *, memory_bytes: int) -> None:
        """Make an empty cache.

        Args:
            database: The truth.
            embedder: The active model, as far as it is known here: partitions of others are swept away.
            memory_bytes: How much memory partitions may take that are not just being used. A partition that is larger
                is loaded for those who search it at that moment, beside what others have in memory; there is never
                more than one such partition.
        """
        self._database = database
        self._embedder = embedder
        self._memory_bytes = memory_bytes
        # The least recently used first.
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._nbytes = 0
        self._beside_nbytes = 0
        # Held for as long as an oversized partition is in memory.
        self._oversized = asyncio.Semaphore()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="index")

    def close(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._nbytes = self._beside_nbytes = 0
        self._pool.shutdown()

    @property
    def nbytes(self) -> int:
        """How much memory the partitions take."""
        return self._nbytes + self._beside_nbytes

    def __len__(self) -> int:
        """How many partitions are in memory."""
        return len(self._entries)

    def held_of(self, org_id: OrgId) -> tuple[int, int]:
        """How much memory the partitions of an organisation take, and of how many users they are."""
        held = [(key[1], entry.nbytes) for key, entry in self._entries.items() if key[0] == org_id]
        return sum(nbytes for _, nbytes in held), len({user_id for user_id, _ in held})

    @asynccontextmanager
    async def kept(self, indexed: Indexed) -> AsyncIterator[None]:
        """Keep a partition from being dropped, as `InteractionIndex.kept` says."""
        if indexed.version is None:
            yield
            return
        key = _key(indexed)
        entry = self._entry(key, indexed.dimension)
        entry.users += 1
        try:
            yield
        finally:
            entry.users -= 1
            if entry.nbytes > self._memory_bytes:
                self._drop_unused(key)
            self._drop_least_recent()

    async def roles(self, indexed: Indexed) -> Collection[str]:
        """The roles that occur, as `InteractionIndex.roles` says."""
        return await self._read(indexed, lambda partition: partition.roles, lambda _: 0) or ()

    async def evidence(self, indexed: Indexed, question: Question, waiting: InteractionRows | None) -> Evidence:
        """Candidates, as `InteractionIndex.evidence` says."""

        def gather(partition: Partition) -> Evidence:
            together = partition if waiting is None else partition.with_waiting(waiting)
            return together.evidence(question, self._pool if cost(partition) > _INLINE_BYTES else None)

        def cost(partition: Partition) -> int:
            others = len(waiting.interaction_ids) * _WAITING_BYTES if waiting is not None else 0
            return partition.search_bytes(question) + others

        found = await self._read(indexed, gather, cost)
        if found is None:
            nothing = Partition(indexed.dimension)
            found = await self._run(partial(gather, nothing), inline=cost(nothing) <= _INLINE_BYTES)
        return found

    async def _read(
        self, indexed: Indexed, work: Callable[[Partition], T], cost: Callable[[Partition], int]
    ) -> T | None:
        """Do `work` on a partition that is fresh enough; None where there is nothing to be in it.

        Args:
            indexed: Which partition.
            work: What to do with it.
            cost: How long that takes, as bytes that are looked through.
        """
        key, version = _key(indexed), indexed.version
        if version is None:
            self._drop_unused(key)
            return None
        async with self.kept(indexed):
            entry = self._entry(key, indexed.dimension)
            metrics.index_reads.add(1, _outcome(entry, version))
            while True:
                if entry.followed.version < version:
                    await self._refresh(entry, version)
                async with entry.lock.shared():
                    # Somebody may have begun to load it afresh meanwhile and been cancelled in the middle.
                    if entry.followed.version < version:
                        continue
                    partition = entry.followed.partition
                    return await self._run(partial(work, partition), inline=cost(partition) <= _INLINE_BYTES)

    async def drop_stale(self) -> None:
        """Drop partitions that nobody uses and that hold what is gone: something deleted, a user, a former model.

        Searches need no such thing: it is for what nobody searches.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        keys = [key for key in self._entries if key[2] == self._embedder.name]
        for key in set(self._entries).difference(keys):
            # Of a model that was active once.
            self._drop_unused(key)
        for start in range(0, len(keys), _SWEPT_AT_ONCE):
            portion = keys[start : start + _SWEPT_AT_ONCE]
            seen = {key[:2]: entry.followed.seen for key in portion if (entry := self._entries.get(key)) is not None}
            async with self._database.autocommit(Purpose.HOUSEKEEPING) as connection:
                stale = await user_versions.with_deletions_since(connection, seen)
            for whose in stale:
                metrics.index_drops.add(1, "stale")
                self._drop_unused((*whose, self._embedder.name))

    def _entry(self, key: Key, dimension: int) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = _Entry(FollowedPartition(*key, dimension))
            self._entries[key] = entry
        self._entries.move_to_end(key)
        return entry

    async def _refresh(self, entry: _Entry, version: int) -> None:
        before = entry.nbytes
        async with entry.lock.exclusive():
            # Beside the budget until its size is known: one that is too large must not drive out the others first.
            self._count(entry, beside=True)
            try:
                # Somebody else may have done it meanwhile.
                complete = entry.followed.version >= version
                while not complete:
                    try:
                        complete = await entry.followed.follow(self._database, self._change)
                    finally:
                        # Also where it was cancelled: what it had read by then is in memory.
                        self._count(entry, beside=True)
                    if entry.nbytes > self._memory_bytes and not entry.oversized:
                        await self._make_oversized(entry)
                # Where the user was erased meanwhile, there is nothing left that the partition could lack.
                entry.followed.version = max(entry.followed.version, version)
            finally:
                self._count(entry, beside=entry.nbytes > self._memory_bytes)
                if entry.oversized and not entry.beside:
                    entry.oversized = False
                    self._oversized.release()
            self._drop_least_recent()
        if entry.nbytes - before > _LARGE_LOAD_BYTES:
            await self._run(give_back, inline=False)

    def _count(self, entry: _Entry, *, beside: bool) -> None:
        """Note how large a partition is, and whether the budget has to hold it."""
        if entry.beside:
            self._beside_nbytes -= entry.nbytes
        else:
            self._nbytes -= entry.nbytes
        entry.nbytes, entry.beside = entry.followed.partition.nbytes, beside
        if entry.beside:
            self._beside_nbytes += entry.nbytes
        else:
            self._nbytes += entry.nbytes

    async def _make_oversized(self, entry: _Entry) -> None:
        """Wait until no other partition is in memory that is larger than the budget."""
        if self._memory_bytes:
            _log.warning(
                "a partition is larger than the memory for all of them and is loaded for each search anew; "
                "raise index_memory_mb",
                index_memory_mb=self._memory_bytes // _MIB,
            )
        await self._oversized.acquire()
        entry.oversized = True

    def _drop_least_recent(self) -> None:
        while self._nbytes > self._memory_bytes:
            unused = (key for key, entry in self._entries.items() if entry.users == 0)
            key = next(unused, None)
            if key is None:
                return
            metrics.index_drops.add(1, "eviction")
            self._drop_unused(key)

    def _drop_unused(self, key: Key) -> None:
        entry = self._entries.get(key)
        if entry is None or entry.users:
            return
        del self._entries[key]
        if entry.oversized:
            self._oversized.release()
        if entry.beside:
            self._beside_nbytes -= entry.nbytes
        else:
            self._nbytes -= entry.nbytes

    async def _change(self, work: Callable[[], None], size: int) -> None:
        await self._run(work, inline=size <= _INLINE_CHANGE_BYTES)

    async def _run(self, work: Callable[[], T], *, inline: bool) -> T:
        """Do `work`, in a thread where it would hold up the event loop."""
        if inline:
            return work()
        return await in_thread(self._pool, work)


def _outcome(entry: _Entry, version: int) -> str:
    if entry.followed.version >= version:
        return "hit"
    return "caught_up" if entry.followed.version else "loaded"


def _key(indexed: Indexed) -> Key:
    return indexed.org_id, indexed.user_id, indexed.model
