"""The service's own write and read paths in this process, run to learn which SQL they send."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio_server.access.caller import LOCAL_CALLER
from reflexio_server.domain.ids import UserId
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.publish.publisher import Publisher
from reflexio_server.rpc import translate
from reflexio_server.search.searcher import Query, Searcher, SearchMode
from reflexio_server.settings import Settings
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.migrate import migrate
from reflexio_server.store.publications import PublicationStore
from reflexio_server.validate.images import ImageRules

from benchmarks.recording import Recorder, Step

Steps: TypeAlias = list[Step]
"""All that one call sends."""
PublishSteps: TypeAlias = Callable[[Sequence[pb.PublishInteractionsRequest]], Coroutine[Any, Any, list[Steps]]]
SearchSteps: TypeAlias = Callable[[str, Sequence[str], SearchMode], Coroutine[Any, Any, list[Steps]]]

_MIB = 1024 * 1024
_ORG_ID = LOCAL_CALLER.org_id
_PATIENCE_SECONDS = 60.0


@asynccontextmanager
async def publishing(url: str, dimension: int, settings: Settings) -> AsyncIterator[PublishSteps]:
    """Gives a function that really publishes, one request after the other, and returns what each took to be answered.

    Args:
        url: A database that nobody else uses: what is stored there gets made-up vectors.
        dimension: How many numbers a vector has.
        settings: Those of the service.
    """
    async with _parts(url, dimension, settings) as parts:
        ids = InteractionIds(parts.database)
        store = PublicationStore(parts.database, ids, settings.text_search_config)
        publisher = Publisher(store, parts.backlog)
        image_rules = ImageRules(settings.max_image_mb * _MIB, settings.max_image_megapixels * 1_000_000)

        async def steps(requests: Sequence[pb.PublishInteractionsRequest]) -> list[Steps]:
            noted = []
            for request in requests:
                publication = await translate.publication_from(request, image_rules)
                parts.recorder.take()
                published = await publisher.publish(_ORG_ID, publication, wait=request.wait_for_response)
                noted.append(parts.recorder.take())
                await parts.backlog.wait_for(_ORG_ID, published.interaction_ids)
            return noted

        parts.backlog.start()
        try:
            yield steps
        finally:
            await parts.backlog.stop()


@asynccontextmanager
async def searching(url: str, dimension: int, settings: Settings) -> AsyncIterator[SearchSteps]:
    """Gives a function that really searches, one text after the other, and returns what each took.

    Args:
        url: The service's database. Nothing is written; everything in it must be embedded.
        dimension: How many numbers a vector has.
        settings: Those of the service.
    """
    async with _parts(url, dimension, settings) as parts:
        index = PartitionCache(parts.database, parts.embedder, memory_bytes=settings.index_memory_mb * _MIB)
        most_bytes = settings.max_message_mb * _MIB
        searcher = Searcher(
            parts.database, parts.embedding, parts.backlog, index, settings.text_search_config, most_bytes
        )

        async def steps(user_id: str, texts: Sequence[str], mode: SearchMode) -> list[Steps]:
            noted = []
            # Once before: the user's partition is loaded by then, as it is in the service.
            for text in (f"{texts[0]}?", *texts):
                parts.recorder.take()
                await searcher.search(_ORG_ID, Query(UserId(user_id), text, mode=mode), _PATIENCE_SECONDS)
                noted.append(parts.recorder.take())
            return noted[1:]

        yield steps


class _MadeUpVectors:
    """An embedding model without a model: SQL does not depend on what is in a vector, and a model takes its time."""

    def __init__(self, name: str, dimension: int) -> None:
        self.name = name
        self.dimension = dimension
        self._chance = np.random.default_rng(1)

    def load(self) -> None:
        return

    def split(self, text: str) -> list[str]:
        return [text]

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> Vectors:
        del as_queries
        vectors = self._chance.standard_normal((len(texts), self.dimension), dtype=np.float32)
        normalized: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return normalized


@dataclass(frozen=True, slots=True)
class _Parts:
    """What both paths stand on."""

    database: Database
    embedder: Embedder
    embedding: EmbeddingThread
    backlog: Backlog
    recorder: Recorder


@asynccontextmanager
async def _parts(url: str, dimension: int, settings: Settings) -> AsyncIterator[_Parts]:
    database = Database(
        pool_size=settings.database_pool_size, statement_cache_size=settings.database_statement_cache_size
    )
    embedder = _MadeUpVectors(settings.embedding_model, dimension)
    embedding = EmbeddingThread(embedder)
    database.open(url)
    try:
        await migrate(database)
        await embedding.start()
        with Recorder() as recorder:
            yield _Parts(database, embedder, embedding, Backlog(database, embedding), recorder)
    finally:
        await embedding.stop()
        await database.close()
