"""The service's cache of partitions in a process of the benchmark, over what `filling` wrote."""

import numpy as np
from reflexio_server.access.caller import LOCAL_CALLER
from reflexio_server.domain.ids import UserId
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.embed.embedder import Vectors
from reflexio_server.index.evidence import Question
from reflexio_server.index.interaction_index import Indexed
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.settings import Settings
from reflexio_server.store import search_state
from reflexio_server.store.database import Database

from benchmarks.filling import DIMENSION, MODEL

TOP_K = 10

_ANYTHING = InteractionFilter()
_CONFIG = Settings().text_search_config


class _MadeUpModel:
    """Stands for the model of the vectors that `filling` wrote; nothing asks it for more than its name."""

    name = MODEL
    dimension = DIMENSION


class Partitions:
    """What a search by meaning does between its statement and its answer."""

    def __init__(self, database: Database, memory_bytes: int) -> None:
        self._database = database
        self.cache = PartitionCache(database, _MadeUpModel(), memory_bytes=memory_bytes)

    async def nearest(self, user_id: str, query: Vectors, where: InteractionFilter = _ANYTHING) -> list[int]:
        """The ids of a user's ten nearest interactions, best first. A partition that is not in memory is loaded."""
        org_id = LOCAL_CALLER.org_id
        state = await search_state.read(self._database, org_id, UserId(user_id), "", _CONFIG, with_waiting=False)
        indexed = Indexed(org_id, UserId(user_id), MODEL, DIMENSION, state.user.version)
        question = Question(query, (), where, not_before=None, depth=TOP_K)
        found = await self.cache.evidence(indexed, question, None)
        best_first = np.argsort(-found.own_similarity, kind="stable")[:TOP_K]
        return [int(found.interaction_ids[place]) for place in best_first]
