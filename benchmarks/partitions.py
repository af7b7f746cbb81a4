"""The service's cache of partitions in a process of the benchmark, over what `filling` wrote."""

from collections.abc import Sequence

from numpy.typing import NDArray
from reflexio_server.access.caller import LOCAL_CALLER
from reflexio_server.domain.ids import UserId
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.index.vector_index import Neighbour
from reflexio_server.store.database import Database

from benchmarks.filling import DIMENSION, MODEL

TOP_K = 10

_ANYTHING = InteractionFilter()


class _MadeUpModel:
    """Stands for the model of the vectors that `filling` wrote; nothing asks it for more than its name."""

    name = MODEL
    dimension = DIMENSION


def cache_of(database: Database, memory_bytes: int) -> PartitionCache:
    """An empty cache."""
    return PartitionCache(database, _MadeUpModel(), memory_bytes=memory_bytes)


async def nearest(
    cache: PartitionCache, user_id: str, query: NDArray, where: InteractionFilter = _ANYTHING
) -> Sequence[Neighbour]:
    """The ten nearest of a user; loads the partition first where it is not in memory."""
    return await cache.nearest(LOCAL_CALLER.org_id, UserId(user_id), query, TOP_K, where, None)
