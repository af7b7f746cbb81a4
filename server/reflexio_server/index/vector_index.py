"""What an index of vectors is to the rest of the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.embed.embedder import Vectors


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An interaction near to a query."""

    interaction_id: InteractionId
    score: float
    """The cosine of the angle between the query and the nearest piece of the interaction, from -1 to 1."""
    created_at: int
    """Nanoseconds since the epoch."""


class ModelSwitched(Exception):
    """Another embedding model is active than the one that made the query."""


class VectorIndex(Protocol):
    """Finds the interactions nearest to a query, among those of one user."""

    async def nearest(
        self,
        org_id: OrgId,
        user_id: UserId,
        query: Vectors,
        limit: int,
        where: InteractionFilter,
        not_before: Position | None,
        model: str | None = None,
    ) -> Sequence[Neighbour]:
        """Best first; of those with the same score the newer first. `limit` of them, where there are so many.

        Everything is considered whose vectors were committed before the call, and nothing whose deletion was.

        Args:
            org_id: Whose.
            user_id: Of which user.
            query: Of unit length, shape (dimension,).
            limit: How many at most.
            where: Which to consider; `not_before` stands for its `most_recent_k`.
            not_before: Consider only what is at this position or newer.
            model: The name of the embedding model that made `query`; None for the one that the index was made with.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            ModelSwitched: Another model is active.
        """
