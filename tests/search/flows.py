"""The write path and the read path put together without a wire, so that tests can stand between their steps."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, NewInteraction
from reflexio_server.domain.request import Publish
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.embedder import Embedder
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.publish.publisher import Publisher
from reflexio_server.search.query import Query, SearchResult
from reflexio_server.search.ranking import SearchMode
from reflexio_server.search.searcher import Searcher
from reflexio_server.store import embedding_queue
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import PublicationStore

from tests.store.publishing import publication

PATIENCE = 20.0
MOST_BYTES = 32 * 1024 * 1024


@dataclass
class Replica:
    """What a server is made of between the wire and Postgres."""

    database: Database
    backlog: Backlog
    publisher: Publisher
    searcher: Searcher

    @classmethod
    async def start(cls, database: Database, embedder: Embedder, running: AsyncExitStack) -> Self:
        """Start one on a database that is open; it stops with `running`."""
        embedding = EmbeddingThread(embedder)
        await embedding.start()
        running.push_async_callback(embedding.stop)
        backlog = Backlog(database, embedding)
        backlog.start()
        running.push_async_callback(backlog.stop)
        index = PartitionCache(database, embedder, memory_bytes=2**26)
        running.callback(index.close)
        store = PublicationStore(database, InteractionIds(database), "english")
        searcher = Searcher(database, embedding, backlog, index, "english", MOST_BYTES)
        return cls(database, backlog, Publisher(store, backlog), searcher)

    async def publish(
        self, org_id: OrgId, user_id: UserId, *said: str | NewInteraction, wait: bool = False, **options: str
    ) -> Publish:
        """Publish texts or interactions, each newer than all before."""
        return await self.publisher.publish(org_id, publication(user_id, *said, **options), wait=wait)

    async def search(
        self, org_id: OrgId, user_id: UserId, text: str, where: InteractionFilter | None = None, **options: Any
    ) -> SearchResult:
        """Search with patience."""
        patience = options.pop("patience", PATIENCE)
        query = Query(user_id, text, where or InteractionFilter(), **options)
        return await self.searcher.search(org_id, query, patience)

    def with_searcher(self, **changes: Any) -> "Replica":
        """The same with another part in the searcher."""
        return replace(self, searcher=replace(self.searcher, **changes))

    async def queued(self, org_id: OrgId, user_id: UserId) -> int:
        """How many of a user's interactions are not embedded."""
        async with self.database.autocommit(org_id) as connection:
            return (await embedding_queue.of_user(connection, org_id, user_id, 1)).waiting


MODES: Sequence[SearchMode] = list(SearchMode)


def contents(result: SearchResult) -> list[str]:
    """What was said by what was found."""
    return [hit.interaction.content for hit in result.hits]
