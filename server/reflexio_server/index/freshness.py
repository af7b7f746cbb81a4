"""Keeping a partition as fresh as the user's version in Postgres says it must be.

The versions of one user are in the order of the commits that gave them, so a snapshot that shows version n shows
everything up to n. Each step reads one such snapshot: the deletions since the last snapshot, and a portion of the
vectors in the order of their versions. Whatever is committed between two steps has a later version than the
first snapshot's and is seen by the second: a deletion then takes away what an earlier step brought.
"""

from collections.abc import Awaitable, Callable

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.index.interaction_index import ModelSwitched
from reflexio_server.index.partition import Partition
from reflexio_server.store import vectors
from reflexio_server.store.database import Database
from reflexio_server.store.vectors import Changes

_PORTION = 2000
"""How many vectors are read at a time: that bounds what loading needs beside the partition itself."""

Change = Callable[[Callable[[], None], int], Awaitable[None]]
"""Carries out a change of a partition, which handles so many bytes."""


class FollowedPartition:
    """A partition together with what it has seen. A step that was cancelled or failed can be repeated."""

    def __init__(self, org_id: OrgId, user_id: UserId, model: str, dimension: int) -> None:
        self._org_id = org_id
        self._user_id = user_id
        self._model = model
        self._dimension = dimension
        self._start_afresh()

    def _start_afresh(self) -> None:
        self.partition = Partition(self._dimension)
        self.seen = 0
        """The version up to which it was told of deletions; 0 where nothing was loaded yet."""
        self.version = 0
        """Nothing that came up to this version is missing, and nothing is there that was deleted up to it."""

    async def follow(self, database: Database, change: Change) -> bool:
        """Take one step towards the present.

        Args:
            database: What to follow.
            change: Carries out the change.

        Returns:
            Whether the partition is now as the last snapshot shows it.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            ModelSwitched: Another model is active, so that this one's vectors need not be complete any more.
        """
        changes = await vectors.changes(
            database,
            self._org_id,
            self._user_id,
            self._model,
            self._dimension,
            vectors_since=self.version,
            deletions_since=self.seen,
            portion=_PORTION,
        )
        if changes is None:
            self._start_afresh()
            return True
        if changes.active_model not in {None, self._model}:
            raise ModelSwitched
        if 0 < self.seen < changes.reload_before:
            # Deletions since then are not all told any more. A new partition has nothing to be told about.
            self._start_afresh()
            return False
        size = self.partition.adding_bytes(changes.added) if changes.added is not None else 0
        if changes.deleted:
            size += self.partition.vector_bytes
        if changes.added_up_to == changes.version:
            size += self.partition.settling_bytes
        await change(lambda: self._apply(changes), size)
        return changes.added_up_to == changes.version

    def _apply(self, changes: Changes) -> None:
        self.partition.remove(changes.deleted)
        if changes.added is not None:
            self.partition.add(changes.added)
        self.seen = changes.version
        self.version = changes.added_up_to
        if self.version == self.seen:
            self.partition.settle()
