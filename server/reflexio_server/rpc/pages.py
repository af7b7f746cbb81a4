"""Which page a list call asks for."""

from copy import deepcopy
from typing import Any

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
    skip = 0
    rest = deepcopy(request)
    if isinstance(rest, request_service_pb2.ListRequestsRequest):
        skip = rest.skip
        rest.ClearField("skip")
    return Page(
        size=request.page_size or default_size,
        token=request.page_token,
        query=query_of(org_id, rest),
        skip=skip,
        with_images=request.include_images,
    )


def query_of(org_id: OrgId, request: Any) -> bytes:
    """What the token of a page is bound to: whose list it is, and what the request says but for the page."""
    query = deepcopy(request)
    query.ClearField("page_size")
    query.ClearField("page_token")
    head = f"{org_id} {query.DESCRIPTOR.full_name} ".encode()
    return head + bytes(query.SerializeToString(deterministic=True))
