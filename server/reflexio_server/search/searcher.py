"""Searching one user's interactions."""

import contextlib
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from reflexio_server.domain.errors import EmbeddingModelUnavailable, ReflexioError
from reflexio_server.domain.ids import InteractionId, OrgId
from reflexio_server.domain.interaction import Position
from reflexio_server.domain.recent_queries import RecentQueries
from reflexio_server.embed.backlog import Backlog, NotEmbedded
from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.embed.embedding import Embedding
from reflexio_server.index.evidence import Question
from reflexio_server.index.interaction_index import Indexed, InteractionIndex, ModelSwitched
from reflexio_server.search.dates import without_numbers
from reflexio_server.search.query import Hit, Query, SearchResult
from reflexio_server.search.question import NOTHING_READ, Reading, read
from reflexio_server.search.ranking import Ranked, SearchMode, ranked
from reflexio_server.search.steady_users import SteadyUsers
from reflexio_server.store import interactions, search_state
from reflexio_server.store.database import Database
from reflexio_server.store.search_state import QueryWord, SearchState
from reflexio_server.store.user_state import UserState
from reflexio_server.telemetry import metrics

_log = structlog.get_logger("reflexio.search")


A = TypeVar("A")

_CANDIDATES = 64
"""So many of the nearest and so many of those with the most words are scored at least: what is second-rate on both
sides may be the best answer. On annotated conversations 30 or 100 give the same to half a point."""

_ATTEMPTS = 5
"""How often to rank anew when interactions were deleted between the ranking and the reading."""

_SURELY_SMALL = 16
"""So many interactions of the largest size without images fit an answer: their sizes need not be asked for."""


_NONE = NotEmbedded(0, 0)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Candidates, the best first, and what is to be said of how they were found."""

    candidates: Sequence[Ranked]
    missing: NotEmbedded = _NONE
    words_only: bool = False
    reading: Reading = NOTHING_READ


@dataclass(frozen=True, slots=True)
class Searcher:
    """Finds interactions by meaning and by words."""

    database: Database
    embedding: Embedding
    backlog: Backlog
    index: InteractionIndex
    text_search_config: str
    most_bytes: int
    """How large the interactions of one answer may be together."""
    _recent_words: RecentQueries[tuple[QueryWord, ...]] = field(default_factory=RecentQueries, init=False)
    _steady_users: SteadyUsers = field(default_factory=SteadyUsers, init=False)

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
            metrics.searches.add(1, "newest")
            return await self._newest(org_id, query)
        metrics.searches.add(1, query.mode.name.lower())
        hits: Sequence[Hit] = ()
        ranking = _Ranking(())
        truncated = False
        expected = self._expected(org_id, query)
        for _ in range(_ATTEMPTS):
            ranking = await self._rank(org_id, query, patience, expected)
            hits, truncated, user = await self._read(org_id, query, ranking.candidates)
            if expected is not None:
                self._steady_users.note(org_id, query.user_id, user)
                if expected.user != user:
                    expected = None
                    continue
            if truncated or len(hits) == len(ranking.candidates):
                break
        return SearchResult(
            hits,
            ranking.missing.waiting,
            truncated,
            ranking.missing.set_aside,
            ranking.words_only,
            ranking.reading,
        )

    def _expected(self, org_id: OrgId, query: Query) -> SearchState | None:
        """What there probably is to search: then it is read together with what was found, and not before.

        None where that is not known, and where more than that is to be asked before the ranking.
        """
        user = self._steady_users.expected(org_id, query.user_id)
        words = self._recent_words.get(org_id, _words_of(query))
        if user is None or words is None or query.where.most_recent_k is not None:
            return None
        return SearchState(user, None, words)

    async def _newest(self, org_id: OrgId, query: Query) -> SearchResult:
        async with self.database.autocommit(org_id) as connection:
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

    async def _rank(self, org_id: OrgId, query: Query, patience: float, expected: SearchState | None) -> _Ranking:
        if expected is not None:
            with contextlib.suppress(ModelSwitched):
                return await self._rank_with(org_id, query, None, expected, _NONE)
        not_before = None
        if query.where.most_recent_k is not None:
            async with self.database.autocommit(org_id) as connection:
                not_before = await interactions.oldest_of_most_recent(
                    connection, org_id, query.user_id, query.where.most_recent_k
                )
        for _ in range(_ATTEMPTS):
            state, missing = await self._state(org_id, query, patience)
            with contextlib.suppress(ModelSwitched):
                return await self._rank_with(org_id, query, not_before, state, missing)
        message = "the embedding model was changed again and again; try again"
        raise EmbeddingModelUnavailable(self.embedding.embedder.name, message)

    async def _state(self, org_id: OrgId, query: Query, patience: float) -> tuple[SearchState, NotEmbedded]:
        """What there is to search, after those who were published just before had time to be embedded."""
        state = await self._read_state(org_id, query, with_waiting=False)
        self._steady_users.note(org_id, query.user_id, state.user)
        if not state.user.is_waiting:
            return state, _NONE
        missing = _NONE
        if query.mode is not SearchMode.FTS:
            embedder = self.embedding.embedder
            missing = await self.backlog.catch_up(org_id, query.user_id, patience)
            if missing.waiting and self.embedding.embedder is not embedder:
                # What was being embedded with the former model was given back in the middle.
                missing = await self.backlog.catch_up(org_id, query.user_id, patience)
        return await self._read_state(org_id, query, with_waiting=True), missing

    async def _read_state(self, org_id: OrgId, query: Query, *, with_waiting: bool) -> SearchState:
        text = _words_of(query)
        state = await search_state.read(
            self.database,
            org_id,
            query.user_id,
            text,
            self.text_search_config,
            plain=without_numbers(text),
            with_waiting=with_waiting,
            known_words=self._recent_words.get(org_id, text),
        )
        self._recent_words.keep(org_id, text, state.query_words)
        return state

    async def _rank_with(
        self,
        org_id: OrgId,
        query: Query,
        not_before: Position | None,
        state: SearchState,
        missing: NotEmbedded,
    ) -> _Ranking:
        """Rank with the vectors of the model that was active when `state` was read.

        Raises:
            ModelSwitched: Another one is active by now.
        """
        embedder = self.embedding.embedder
        model, dimension = state.user.active_model or embedder.name, state.user.active_dimension or embedder.dimension
        indexed = Indexed(org_id, query.user_id, model, dimension, state.user.version)
        async with self.index.kept(indexed):
            roles = set(await self.index.roles(indexed))
            if state.waiting is not None:
                roles.update(state.waiting.roles)
            reading = read(query.text, roles, time.time_ns())
            vector, words_only = await self._vector(org_id, query, reading, model)
            question = Question(
                vector=vector,
                words=state.query_words,
                where=query.where,
                not_before=not_before,
                depth=max(_CANDIDATES, query.top_k),
                roles=reading.roles,
            )
            evidence = await self.index.evidence(indexed, question, state.waiting)
        candidates = ranked(
            evidence,
            SearchMode.FTS if words_only else query.mode,
            reading.spans,
            has_words=any(not word.if_it_occurs for word in state.query_words),
            asks_for_role=bool(reading.roles),
            limit=query.top_k,
            min_score=query.min_score,
        )
        return _Ranking(candidates, _NONE if words_only else missing, words_only, reading)

    async def _vector(self, org_id: OrgId, query: Query, reading: Reading, model: str) -> tuple[Vectors | None, bool]:
        """The vector of the query by `model`, where one is needed, and whether it has to do without."""
        if query.mode is SearchMode.FTS:
            return None, False
        embedder = self.embedding.embedder
        try:
            if embedder.name != model:
                await _told_apart(self.embedding.follow(), embedder)
                embedder = self.embedding.embedder
            vector = await _told_apart(
                self.embedding.embed_query(reading.first_person, (org_id, query.user_id)), embedder
            )
        except EmbeddingModelUnavailable:
            if query.mode is SearchMode.VECTOR:
                raise
            return None, True
        if self.embedding.embedder is not embedder or embedder.name != model:
            raise ModelSwitched
        return vector, False

    async def _read(
        self, org_id: OrgId, query: Query, chosen: Sequence[Ranked]
    ) -> tuple[Sequence[Hit], bool, UserState | None]:
        """What was chosen, as far as it fits; whether something does not; and the state of the user by then."""
        fitting: Sequence[InteractionId] = [candidate.interaction_id for candidate in chosen]
        truncated = False
        if query.with_images or len(fitting) > _SURELY_SMALL:
            async with self.database.autocommit(org_id) as connection:
                sizes = await interactions.sizes(connection, org_id, fitting, with_images=query.with_images)
            fitting = _fitting(fitting, sizes, self.most_bytes)
            truncated = len(fitting) < len(sizes)
        async with self.database.direct(org_id) as direct:
            found, user = await interactions.fetch(
                direct, org_id, query.user_id, fitting, with_images=query.with_images
            )
        hits = [Hit(found[c.interaction_id], c.score, c.parts) for c in chosen if c.interaction_id in found]
        return hits, truncated, user


def _words_of(query: Query) -> str:
    """The text whose words are to be looked for."""
    return "" if query.mode is SearchMode.VECTOR else query.text


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
