"""RequestService: list and delete by request and by session."""

from dataclasses import dataclass

from reflexio.v1 import request_service_pb2 as pb
from reflexio.v1 import request_service_pb2_grpc as rpc

from reflexio_server.access.caller import current_caller
from reflexio_server.access.policy import Requirement, require
from reflexio_server.domain.ids import SessionId, UserId, request_id_from
from reflexio_server.rpc import translate
from reflexio_server.rpc.deleted import deletion_message
from reflexio_server.rpc.interceptors.base import Context
from reflexio_server.rpc.pages import page_of
from reflexio_server.search.lister import Lister
from reflexio_server.store import deletions
from reflexio_server.store.database import Database
from reflexio_server.store.requests import RequestFilter

_PAGE_SIZE = 30


@dataclass(frozen=True)
class RequestService(rpc.RequestServiceServicer):
    """Answers the calls of `reflexio.v1.RequestService`, whose comments say what each does."""

    lister: Lister
    database: Database

    async def ListRequests(self, request: pb.ListRequestsRequest, context: Context) -> pb.ListRequestsResponse:
        caller = current_caller.get()
        if not (request.user_id or request.request_id or request.session_id):
            require(caller, Requirement.ADMIN)
        start_time, end_time = translate.span_from(request)
        where = RequestFilter(
            user_id=UserId(request.user_id) if request.user_id else None,
            request_id=request_id_from(request.request_id) if request.request_id else None,
            session_id=SessionId(request.session_id) if request.session_id else None,
            start_time=start_time,
            end_time=end_time,
        )
        page = page_of(caller.org_id, request, _PAGE_SIZE)
        found, token = await self.lister.requests(caller.org_id, where, page)
        return translate.requests_to(found, token)

    async def DeleteRequest(self, request: pb.DeleteRequestRequest, context: Context) -> pb.DeleteRequestResponse:
        counts = await deletions.delete_requests(
            self.database, current_caller.get().org_id, [request_id_from(request.request_id)]
        )
        response = pb.DeleteRequestResponse(message=deletion_message(counts, f"request {request.request_id!r}"))
        if request.wait_for_response:
            response.deleted_requests_count = counts.requests
            response.deleted_interactions_count = counts.interactions
        return response

    async def BatchDeleteRequests(
        self, request: pb.BatchDeleteRequestsRequest, context: Context
    ) -> pb.BatchDeleteRequestsResponse:
        ids = {request_id_from(request_id) for request_id in request.request_ids}
        counts = await deletions.delete_requests(self.database, current_caller.get().org_id, ids)
        return pb.BatchDeleteRequestsResponse(
            message=deletion_message(counts, "request with one of these ids"),
            deleted_requests_count=counts.requests,
            deleted_interactions_count=counts.interactions,
        )

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> pb.DeleteSessionResponse:
        counts = await deletions.delete_session(
            self.database,
            current_caller.get().org_id,
            SessionId(request.session_id),
            UserId(request.user_id) if request.user_id else None,
        )
        response = pb.DeleteSessionResponse(message=deletion_message(counts, f"session {request.session_id!r}"))
        if request.wait_for_response:
            response.deleted_requests_count = counts.requests
            response.deleted_interactions_count = counts.interactions
        return response

    async def DeleteAllInteractions(
        self, request: pb.DeleteAllInteractionsRequest, context: Context
    ) -> pb.DeleteAllInteractionsResponse:
        counts = await deletions.delete_everything(self.database, current_caller.get().org_id)
        return pb.DeleteAllInteractionsResponse(
            message=deletion_message(counts, "interaction"),
            deleted_requests_count=counts.requests,
            deleted_interactions_count=counts.interactions,
        )
