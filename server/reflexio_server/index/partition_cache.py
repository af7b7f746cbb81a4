"""All partitions that are in memory: loaded when first used, the least recently used dropped when memory is short."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.index.freshness import FollowedPartition
from reflexio_server.index.shared_lock import SharedLock
from reflexio_server.index.vector_index import Neighbour
from reflexio_server.store import vectors
from reflexio_server.store.database import Database

_INLINE_BYTES = 16 * 1024 * 1024
"""Up to so many bytes of vectors are searched in the event loop: that takes half a millisecond. Larger ones are
searched in a thread, which costs a tenth of one."""

_THREADS = 4

T = TypeVar("T")


class _Entry:
    """A partition in the cache."""

    def __init__(self, followed: FollowedPartition) -> None:
        self.followed = followed
        self.lock = SharedLock()
        self.users = 0
        """How many calls are using it: it is not dropped then, or the next call would load it a second time."""
        self.nbytes = 0


class PartitionCache:
    """A `VectorIndex` over what Postgres holds. To be used from one event loop."""

    def __init__(self, database: Database, embedder: Embedder, *, memory_bytes: int) -> None:
        """Make an empty cache.

        Args:
            database: The truth.
            embedder: The model whose vectors are searched.
            memory_bytes: How much memory partitions may take that are not just being used.
        """
        self._database = database
        self._embedder = embedder
        self._memory_bytes = memory_bytes
        # The least recently used first.
        self._entries: OrderedDict[tuple[OrgId, UserId], _Entry] = OrderedDict()
        self._nbytes = 0
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="index")

    def close(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._nbytes = 0
        self._pool.shutdown()

    @property
    def nbytes(self) -> int:
        """How much memory the partitions take."""
        return self._nbytes

    def __len__(self) -> int:
        """How many partitions are in memory."""
        return len(self._entries)

    async def nearest(
        self,
        org_id: OrgId,
        user_id: UserId,
        query: Vectors,
        limit: int,
        where: InteractionFilter,
        not_before: Position | None,
    ) -> Sequence[Neighbour]:
        """The interactions nearest to `query`, as `VectorIndex.nearest` says."""
        async with self._database.autocommit() as connection:
            version = await vectors.version_of(connection, org_id, user_id)
        if version is None:
            return []
        key = (org_id, user_id)
        entry = self._entry(key)
        entry.users += 1
        try:
            while True:
                if entry.followed.version < version:
                    await self._refresh(entry, version)
                async with entry.lock.shared():
                    # Somebody may have begun to load it afresh meanwhile and been cancelled in the middle.
                    if entry.followed.version < version:
                        continue
                    partition = entry.followed.partition
                    return await self._run(
                        partial(partition.nearest, query, limit, where, not_before), partition.vector_bytes
                    )
        finally:
            entry.users -= 1
            self._drop_least_recent()

    def _entry(self, key: tuple[OrgId, UserId]) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = _Entry(FollowedPartition(*key, self._embedder.name, self._embedder.dimension))
            self._entries[key] = entry
        self._entries.move_to_end(key)
        return entry

    async def _refresh(self, entry: _Entry, version: int) -> None:
        async with entry.lock.exclusive():
            # Somebody else may have done it meanwhile.
            complete = entry.followed.version >= version
            while not complete:
                try:
                    complete = await entry.followed.follow(self._database, self._run)
                finally:
                    # Also where it was cancelled: what it had read by then is in memory.
                    self._nbytes += entry.followed.partition.nbytes - entry.nbytes
                    entry.nbytes = entry.followed.partition.nbytes
                self._drop_least_recent()
            # Where the user was erased meanwhile, there is nothing left that the partition could lack.
            entry.followed.version = max(entry.followed.version, version)

    def _drop_least_recent(self) -> None:
        if self._nbytes <= self._memory_bytes:
            return
        for key, entry in list(self._entries.items()):
            if entry.users == 0:
                del self._entries[key]
                self._nbytes -= entry.nbytes
                if self._nbytes <= self._memory_bytes:
                    return

    async def _run(self, work: Callable[[], T], size: int) -> T:
        """Do `work`, which handles `size` bytes, where it does not hold up the event loop."""
        if size <= _INLINE_BYTES:
            return work()
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        cancelled = False
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                # The lock must be held to the end of the work, which is near.
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
        return future.result()
