"""Interactions with vectors that a test chooses, as Postgres holds them, and what brute force finds among them."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from reflexio_server.domain.ids import InteractionId, OrgId, SessionId, UserId, new_request_id
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction, Position
from reflexio_server.domain.request import Publication, Publish
from reflexio_server.store import deletions, vectors
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.vectors import EmbeddedText
from sqlalchemy import text

MODEL = "chosen-by-hand"
DIMENSION = 64

_moments = count(time.time_ns())

_ALL = text("""
    select v.interaction_id, v.vector, i.created_at, i.request_id, i.session_id, i.role, i.source
    from vectors v join interactions i on i.org_id = v.org_id and i.interaction_id = v.interaction_id
    where v.org_id = :org_id and i.user_id = :user_id
""")


@dataclass(frozen=True)
class Neighbour:
    """An interaction, and how near it is to a query."""

    interaction_id: int
    score: float
    """The cosine of the angle between the query and its nearest piece."""
    created_at: int


class ChosenVectors:
    """Stands for the model that made the vectors; nothing asks it for more than its name."""

    name = MODEL
    dimension = DIMENSION


def unit(*numbers: float) -> np.ndarray:
    """The vector of unit length in the direction of these numbers; the rest are zeros."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


class Corpus:
    """What one organisation has in Postgres."""

    def __init__(self, database: Database, org_id: OrgId) -> None:
        self.database = database
        self.org_id = org_id
        self._store = PublicationStore(database, InteractionIds(database), "english")

    async def publish(
        self,
        user_id: UserId,
        *texts: str,
        created_at: int | None = None,
        session_id: str = "",
        role: str = "User",
        source: str = "",
        lease_seconds: float = 0,
    ) -> Publish:
        """Publish interactions that wait for their vectors, under a lease or free for whoever comes."""
        publication = Publication(
            user_id=user_id,
            interactions=tuple(
                NewInteraction(role=role, content=said, created_at=created_at or next(_moments)) for said in texts
            ),
            source=source,
            agent_version="",
            session_id=SessionId(session_id),
            skip_aggregation=False,
            force_extraction=False,
            idempotency_key="",
            fingerprint=hashlib.sha256().digest(),
        )
        return await self._store.add(self.org_id, publication, new_request_id(), next(_moments), lease_seconds)

    async def add(
        self, user_id: UserId, *pieces: Sequence[np.ndarray] | np.ndarray, created_at: int | None = None, **fields: str
    ) -> Publish:
        """Publish one request: an interaction for each of `pieces`, with its vector or vectors."""
        published = await self.publish(user_id, *("said" for _ in pieces), created_at=created_at, **fields)
        await self.embed(user_id, published, *pieces)
        return published

    async def embed(self, user_id: UserId, published: Publish, *pieces: Sequence[np.ndarray] | np.ndarray) -> None:
        """Store the vectors of what was published."""
        texts = [
            EmbeddedText(user_id, interaction_id, [vector.astype("<f2").tobytes() for vector in np.atleast_2d(of_one)])
            for interaction_id, of_one in zip(published.interaction_ids, pieces, strict=True)
        ]
        while (await vectors.store(self.database, self.org_id, MODEL, DIMENSION, texts)).busy:  # noqa: ASYNC110 -- Postgres' locks tell nobody.
            await asyncio.sleep(0.001)

    async def delete(self, user_id: UserId, *interaction_ids: InteractionId) -> None:
        """Delete interactions, each in a transaction of its own."""
        for interaction_id in interaction_ids:
            await deletions.delete_interaction(self.database, self.org_id, user_id, interaction_id)

    async def brute_force(
        self,
        user_id: UserId,
        query: np.ndarray,
        limit: int,
        where: InteractionFilter,
        not_before: Position | None,
    ) -> list[Neighbour]:
        """What any index must answer."""
        best: dict[InteractionId, Neighbour] = {}
        async with self.database.autocommit(self.org_id) as connection:
            rows = (await connection.execute(_ALL, {"org_id": self.org_id, "user_id": user_id})).all()
        for row in rows:
            if not _fits(row, where) or (not_before and (row.created_at, row.interaction_id) < not_before):
                continue
            vector = np.frombuffer(row.vector, "<f2").astype(np.float32)
            score = min(1.0, float(np.dot(vector, query)))
            if row.interaction_id not in best or best[row.interaction_id].score < score:
                best[row.interaction_id] = Neighbour(row.interaction_id, score, row.created_at)
        return sorted(best.values(), key=lambda n: (n.score, n.created_at, n.interaction_id), reverse=True)[:limit]


def _fits(row: object, where: InteractionFilter) -> bool:
    names = ("request_id", "session_id", "role", "source")
    return (
        all(getattr(where, name) is None or getattr(row, name) == getattr(where, name) for name in names)
        and (where.start_time is None or row.created_at >= where.start_time)
        and (where.end_time is None or row.created_at <= where.end_time)
    )
