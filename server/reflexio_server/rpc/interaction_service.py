"""InteractionService: publish, search, list and delete interactions."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1 import interaction_service_pb2_grpc as rpc
from reflexio.v1 import learning_pb2

from reflexio_server.access.caller import current_caller
from reflexio_server.domain.errors import ReflexioError
from reflexio_server.domain.ids import InteractionId, UserId
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.domain.request import STORED_BEFORE, Publish
from reflexio_server.publish.publisher import Publisher
from reflexio_server.rpc import translate
from reflexio_server.rpc.deleted import deletion_message
from reflexio_server.rpc.interceptors.base import Context
from reflexio_server.rpc.interceptors.logging import call_id
from reflexio_server.rpc.nothing_missing import nothing_missing
from reflexio_server.rpc.pages import page_of
from reflexio_server.rpc.publish_stream import PublishStream, Turn
from reflexio_server.search.lister import Lister
from reflexio_server.search.query import Query
from reflexio_server.search.ranking import SearchMode
from reflexio_server.search.searcher import Searcher
from reflexio_server.store import deletions
from reflexio_server.store.database import Database
from reflexio_server.store.location import StorageLocation
from reflexio_server.validate.content import ContentRules

_PAGE_SIZE = 30
_PAGE_SIZE_OF_ALL = 100
_TOP_K = 10
_NOTHING_LEARNS = "force_extraction has no effect yet: this server stores and searches, and learns nothing"
_SEARCH_MODES = {
    pb.SEARCH_MODE_UNSPECIFIED: SearchMode.HYBRID,
    pb.SEARCH_MODE_VECTOR: SearchMode.VECTOR,
    pb.SEARCH_MODE_FTS: SearchMode.FTS,
    pb.SEARCH_MODE_HYBRID: SearchMode.HYBRID,
}


@dataclass(frozen=True)
class InteractionService(rpc.InteractionServiceServicer):
    """Answers the calls of `reflexio.v1.InteractionService`, whose comments say what each does."""

    publisher: Publisher
    searcher: Searcher
    lister: Lister
    database: Database
    location: StorageLocation
    content_rules: ContentRules
    search_wait_seconds: float
    stopping: asyncio.Event
    """Set when the server stops."""

    async def PublishInteractions(
        self, request: pb.PublishInteractionsRequest, context: Context
    ) -> pb.PublishInteractionsResponse:
        publication = await translate.publication_from(request, self.content_rules)
        caller = current_caller.get()
        publish = await self.publisher.publish(caller.org_id, publication, wait=request.wait_for_response)
        return self._published(request, publish)

    async def StreamPublishInteractions(  # type: ignore[override]  # It writes to the context, as interceptors expect.
        self, request: AsyncIterator[pb.StreamPublishInteractionsRequest | ReflexioError], context: Context
    ) -> None:
        org_id = current_caller.get().org_id

        async def publish(request: pb.PublishInteractionsRequest, turn: Turn) -> pb.PublishInteractionsResponse:
            publication = await translate.publication_from(request, self.content_rules)
            await turn.come()
            await self.publisher.wait_for_room(org_id, publication)
            publish = await self.publisher.store_only(org_id, publication)
            turn.end()
            if request.wait_for_response:
                await self.publisher.wait_for(org_id, publish.interaction_ids)
            return self._published(request, publish)

        stream = PublishStream(publish, self.stopping, call_id.get())
        await stream.run(nothing_missing(request), context.write)

    def _published(self, request: pb.PublishInteractionsRequest, publish: Publish) -> pb.PublishInteractionsResponse:
        count = len(publish.interaction_ids)
        stored = f"{count} interaction{'s' if count != 1 else ''}"
        response = pb.PublishInteractionsResponse(
            message=f"{STORED_BEFORE} under this key: {stored}" if publish.repeated else f"stored {stored}"
        )
        if request.force_extraction:
            response.warnings.append(_NOTHING_LEARNS)
        if request.wait_for_response:
            response.result.request_id = str(publish.request_id)
            response.result.interaction_ids.extend(publish.interaction_ids)
            response.result.storage_type = self.location.storage_type
            response.result.storage_label = self.location.storage_label
            response.result.learned.CopyFrom(learning_pb2.LearningReport())
        return response

    async def SearchInteractions(
        self, request: pb.SearchInteractionsRequest, context: Context
    ) -> pb.SearchInteractionsResponse:
        query = Query(
            user_id=UserId(request.user_id),
            text=self.content_rules.query("query", request.query),
            where=translate.filter_from(request.filter),
            top_k=request.top_k if request.HasField("top_k") else _TOP_K,
            mode=_SEARCH_MODES[request.search_mode],
            with_images=request.include_images,
            min_score=request.min_score,
        )
        found = await self.searcher.search(current_caller.get().org_id, query, self._patience(context))
        return pb.SearchInteractionsResponse(
            hits=[translate.hit_to(hit, explained=request.explain) for hit in found.hits],
            interpretation=translate.interpretation_to(found.reading) if request.explain else None,
            not_yet_embedded_count=found.not_yet_embedded,
            set_aside_count=found.set_aside,
            words_only=found.words_only,
            truncated=found.truncated,
        )

    async def ListInteractions(
        self, request: pb.ListInteractionsRequest, context: Context
    ) -> pb.ListInteractionsResponse:
        where = translate.filter_from(request.filter)
        caller = current_caller.get()
        page = page_of(caller.org_id, request, _PAGE_SIZE)
        found, token = await self.lister.interactions(caller.org_id, UserId(request.user_id), where, page)
        return pb.ListInteractionsResponse(
            interactions=[translate.interaction_to(i) for i in found], next_page_token=token
        )

    async def ListAllInteractions(
        self, request: pb.ListAllInteractionsRequest, context: Context
    ) -> pb.ListAllInteractionsResponse:
        caller = current_caller.get()
        page = page_of(caller.org_id, request, _PAGE_SIZE_OF_ALL)
        found, token = await self.lister.interactions(caller.org_id, None, InteractionFilter(), page)
        return pb.ListAllInteractionsResponse(
            interactions=[translate.interaction_to(i) for i in found], next_page_token=token
        )

    async def DeleteInteraction(
        self, request: pb.DeleteInteractionRequest, context: Context
    ) -> pb.DeleteInteractionResponse:
        counts = await deletions.delete_interaction(
            self.database, current_caller.get().org_id, UserId(request.user_id), InteractionId(request.interaction_id)
        )
        response = pb.DeleteInteractionResponse(
            message=deletion_message(counts, f"interaction {request.interaction_id} of this user")
        )
        if request.wait_for_response:
            response.deleted_interactions_count = counts.interactions
        return response

    def _patience(self, context: Context) -> float:
        """Seconds to wait for embeddings: at most half of what the caller's deadline leaves."""
        remaining = context.time_remaining()
        return self.search_wait_seconds if remaining is None else min(self.search_wait_seconds, remaining / 2)
