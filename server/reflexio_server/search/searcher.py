"""Searching one user's interactions."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, TypeVar

import structlog

from reflexio_server.domain.errors import EmbeddingModelUnavailable, ReflexioError
from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.domain.interaction import Interaction, InteractionFilter, Position
from reflexio_server.embed.backlog import Backlog, NotEmbedded
from reflexio_server.embed.embedder import Embedder
from reflexio_server.embed.embedding import Embedding
from reflexio_server.index.vector_index import ModelSwitched, VectorIndex
from reflexio_server.search.ranking import Candidate, reciprocal_rank_fusion
from reflexio_server.store import interactions, text_search
from reflexio_server.store.database import Database

_log = structlog.get_logger("reflexio.search")

A = TypeVar("A")
B = TypeVar("B")

_CANDIDATES = 50
"""How many of each ranking are fused at least: what is second-rate on both sides may be the best answer."""

_ATTEMPTS = 5
"""How often to rank anew when interactions were deleted between the ranking and the reading."""

_SURELY_SMALL = 16
"""So many interactions of the largest size without images fit an answer: their sizes need not be asked for."""


class SearchMode(Enum):
    """How interactions are compared with a query."""

    VECTOR = auto()
    FTS = auto()
    HYBRID = auto()


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for."""

    user_id: UserId
    text: str
    """Plain language; blank: the newest interactions."""
    where: InteractionFilter = field(default_factory=InteractionFilter)
    top_k: int = 10
    mode: SearchMode = SearchMode.HYBRID
    with_images: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """An interaction that was found."""

    interaction: Interaction
    score: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found."""

    hits: Sequence[Hit]
    """Best first."""
    not_yet_embedded: int = 0
    """How many of the user's interactions could be found by their words only, because they are so new."""
    truncated: bool = False
    """Whether hits were left out because the answer would have become too large."""
    set_aside: int = 0
    """How many could be found by their words only, because the model failed on them."""
    words_only: bool = False
    """Whether nothing was compared by meaning, because the model failed on the query."""


_NONE = NotEmbedded(0, 0)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Candidates, the best first, and what is to be said of how they were found."""

    candidates: Sequence[Candidate]
    missing: NotEmbedded = _NONE
    words_only: bool = False


@dataclass(frozen=True, slots=True)
class Searcher:
    """Finds interactions by meaning and by words."""

    database: Database
    embedding: Embedding
    backlog: Backlog
    index: VectorIndex
    text_search_config: str
    most_bytes: int
    """How large the interactions of one answer may be together."""

    async def search(self, org_id: OrgId, query: Query, patience: float) -> SearchResult:
        """The interactions that fit `query` best.

        Args:
            org_id: Whose.
            query: What to look for.
            patience: Seconds to wait at most until interactions published just before are embedded.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            EmbeddingModelUnavailable: The model fails on the query, and words are not to be searched.
        """
        if not query.text.strip():
            return await self._newest(org_id, query)
        hits: Sequence[Hit] = ()
        ranking = _Ranking(())
        truncated = False
        for _ in range(_ATTEMPTS):
            ranking = await self._rank(org_id, query, patience)
            chosen = ranking.candidates[: query.top_k]
            hits, truncated = await self._read(org_id, query, chosen)
            if truncated or len(hits) == len(chosen):
                break
        return SearchResult(hits, ranking.missing.waiting, truncated, ranking.missing.set_aside, ranking.words_only)

    async def _newest(self, org_id: OrgId, query: Query) -> SearchResult:
        async with self.database.autocommit() as connection:
            found, more = await interactions.newest(
                connection,
                org_id,
                query.user_id,
                query.where,
                query.top_k,
                with_images=query.with_images,
                most_bytes=self.most_bytes,
            )
        hits = [Hit(interaction, 0.0) for interaction in found]
        return SearchResult(hits, truncated=more and len(hits) < query.top_k)

    async def _rank(self, org_id: OrgId, query: Query, patience: float) -> _Ranking:
        not_before = None
        if query.where.most_recent_k is not None:
            async with self.database.autocommit() as connection:
                not_before = await interactions.oldest_of_most_recent(
                    connection, org_id, query.user_id, query.where.most_recent_k
                )
        if query.mode is SearchMode.FTS:
            return _Ranking(await self._by_words(org_id, query, query.top_k, not_before))
        if query.mode is SearchMode.VECTOR:
            return await self._by_meaning(org_id, query, query.top_k, not_before, patience)
        depth = max(_CANDIDATES, query.top_k)
        by_words, by_meaning = await _both(
            self._by_words(org_id, query, depth, not_before),
            self._by_meaning_if_possible(org_id, query, depth, not_before, patience),
        )
        if by_meaning.words_only:
            return replace(by_meaning, candidates=by_words)
        return replace(by_meaning, candidates=reciprocal_rank_fusion([by_meaning.candidates, by_words]))

    async def _by_words(
        self, org_id: OrgId, query: Query, limit: int, not_before: Position | None
    ) -> Sequence[Candidate]:
        async with self.database.autocommit() as connection:
            found = await text_search.matches(
                connection, org_id, query.user_id, query.text, limit, query.where, not_before, self.text_search_config
            )
        return [Candidate(match.interaction_id, match.score, match.created_at) for match in found]

    async def _by_meaning_if_possible(
        self, org_id: OrgId, query: Query, limit: int, not_before: Position | None, patience: float
    ) -> _Ranking:
        try:
            return await self._by_meaning(org_id, query, limit, not_before, patience)
        except EmbeddingModelUnavailable:
            return _Ranking((), words_only=True)

    async def _by_meaning(
        self, org_id: OrgId, query: Query, limit: int, not_before: Position | None, patience: float
    ) -> _Ranking:
        for _ in range(_ATTEMPTS):
            embedder = self.embedding.embedder
            vector, missing = await _both(
                _told_apart(self.embedding.embed_query(query.text, (org_id, query.user_id)), embedder),
                self.backlog.catch_up(org_id, query.user_id, patience),
            )
            # Where the model was changed meanwhile, all of that was in vain.
            if self.embedding.embedder is embedder:
                try:
                    neighbours = await self.index.nearest(
                        org_id, query.user_id, vector, limit, query.where, not_before, embedder.name
                    )
                except ModelSwitched:
                    await _told_apart(self.embedding.follow(), embedder)
                else:
                    candidates = [Candidate(n.interaction_id, n.score, n.created_at) for n in neighbours]
                    return _Ranking(candidates, missing)
        message = "the embedding model was changed again and again; try again"
        raise EmbeddingModelUnavailable(self.embedding.embedder.name, message)

    async def _read(self, org_id: OrgId, query: Query, chosen: Sequence[Candidate]) -> tuple[Sequence[Hit], bool]:
        fitting: Sequence[InteractionId] = [candidate.interaction_id for candidate in chosen]
        truncated = False
        async with self.database.autocommit() as connection:
            if query.with_images or len(fitting) > _SURELY_SMALL:
                sizes = await interactions.sizes(connection, org_id, fitting, with_images=query.with_images)
                fitting = _fitting(fitting, sizes, self.most_bytes)
                truncated = len(fitting) < len(sizes)
            found = await interactions.fetch(connection, org_id, fitting, with_images=query.with_images)
        return [Hit(found[c.interaction_id], c.score) for c in chosen if c.interaction_id in found], truncated


def _fitting(
    ids: Sequence[InteractionId], sizes: Mapping[InteractionId, int], most_bytes: int
) -> Sequence[InteractionId]:
    """As many of `ids` from the front as fit, but one at least; those without a size are gone."""
    fitting: list[InteractionId] = []
    total = 0
    for interaction_id in ids:
        if interaction_id in sizes:
            total += sizes[interaction_id]
            if fitting and total > most_bytes:
                break
            fitting.append(interaction_id)
    return fitting


async def _both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """The results of two coroutines that run side by side. Where one fails the other is cancelled."""
    try:
        async with asyncio.TaskGroup() as tasks:
            one, other = tasks.create_task(first), tasks.create_task(second)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return one.result(), other.result()


async def _told_apart(work: Coroutine[Any, Any, A], embedder: Embedder) -> A:
    """Do `work`, with an error of its own for whatever a model raises."""
    try:
        return await work
    except ReflexioError:
        raise
    except Exception as error:
        _log.warning("the embedding model failed on a query", model=embedder.name, exc_info=True)
        message = f"the embedding model {embedder.name!r} failed on the query; a search by words only needs no model"
        raise EmbeddingModelUnavailable(embedder.name, message) from error
