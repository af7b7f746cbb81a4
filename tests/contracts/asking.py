"""Asking an index or a partition for what is nearest by itself, in the order that tests compare with brute force."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.index.evidence import Evidence, Question
from reflexio_server.index.interaction_index import Indexed, InteractionIndex
from reflexio_server.index.partition import Partition
from reflexio_server.store import search_state
from reflexio_server.store.database import Database

from tests.contracts.corpus import MODEL, Neighbour

ANY = InteractionFilter()

_SECOND_THREAD = ThreadPoolExecutor(1)


async def nearest(
    index: InteractionIndex,
    database: Database,
    org_id: OrgId,
    user_id: UserId,
    query: np.ndarray,
    limit: int = 10,
    where: InteractionFilter = ANY,
    not_before: Position | None = None,
) -> Sequence[Neighbour]:
    """What a search finds that reads the version first, as the searcher does."""
    state = await search_state.read(database, org_id, user_id, "", "english", with_waiting=False)
    indexed = Indexed(org_id, user_id, MODEL, len(query), state.user.version)
    return by_own_similarity(await index.evidence(indexed, _question(query, limit, where, not_before), None), limit)


def nearest_in(
    partition: Partition, query: np.ndarray, limit: int, where: InteractionFilter = ANY, not_before: Any = None
) -> Sequence[Neighbour]:
    """The same of one partition, looked through by two threads."""
    evidence = partition.evidence(_question(query, limit, where, not_before), _SECOND_THREAD)
    return by_own_similarity(evidence, limit)


def by_own_similarity(evidence: Evidence, limit: int) -> Sequence[Neighbour]:
    """Candidates in the order of what is nearest by itself."""
    # Rounded, because products of equal vectors may differ in the last place.
    similarity = np.round(evidence.own_similarity, 6)
    order = np.lexsort((evidence.interaction_ids, evidence.created_ats, similarity))[::-1][:limit]
    return [
        Neighbour(int(evidence.interaction_ids[n]), float(evidence.own_similarity[n]), int(evidence.created_ats[n]))
        for n in order
    ]


def _question(query: np.ndarray, limit: int, where: InteractionFilter, not_before: Position | None) -> Question:
    return Question(vector=query, words=(), where=where, not_before=not_before, depth=limit)
