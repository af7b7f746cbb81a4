"""Which page a list call asks for."""

from copy import deepcopy

from reflexio.v1 import interaction_service_pb2, request_service_pb2

from reflexio_server.domain.ids import OrgId
from reflexio_server.search.lister import Page

ListRequest = (
    interaction_service_pb2.ListInteractionsRequest
    | interaction_service_pb2.ListAllInteractionsRequest
    | request_service_pb2.ListRequestsRequest
)


def page_of(org_id: OrgId, request: ListRequest, default_size: int) -> Page:
    """The page of a list call. Its token is bound to the organisation and to all of the request but the page itself."""
    query = deepcopy(request)
    query.ClearField("page_size")
    query.ClearField("page_token")
    skip = 0
    if isinstance(query, request_service_pb2.ListRequestsRequest):
        skip = query.skip
        query.ClearField("skip")
    return Page(
        size=request.page_size or default_size,
        token=request.page_token,
        query=f"{org_id} {query.DESCRIPTOR.full_name} ".encode() + query.SerializeToString(deterministic=True),
        skip=skip,
        with_images=request.include_images,
    )
