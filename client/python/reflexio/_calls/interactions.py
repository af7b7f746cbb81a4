"""The calls that list and delete interactions."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from reflexio._calls.call import Call, Method
from reflexio._calls.fields import INT64_MAX, flag, integer, text, wanted_count
from reflexio._calls.results import counted, interaction_from
from reflexio._calls.searching import interaction_filter
from reflexio._channel import TimeoutClass
from reflexio.models import (
    DeleteInteractionResponse,
    GetInteractionsResponse,
    GetInteractionsViewResponse,
    Interaction,
)
from reflexio.v1 import interaction_service_pb2 as pb

R = TypeVar("R")

_SERVICE = "reflexio.v1.InteractionService"
LIST = Method(_SERVICE, "ListInteractions", pb.ListInteractionsRequest, pb.ListInteractionsResponse)
LIST_ALL = Method(_SERVICE, "ListAllInteractions", pb.ListAllInteractionsRequest, pb.ListAllInteractionsResponse)
DELETE = Method(_SERVICE, "DeleteInteraction", pb.DeleteInteractionRequest, pb.DeleteInteractionResponse)

LARGEST_PAGE = 1000

_ListRequest = pb.ListInteractionsRequest | pb.ListAllInteractionsRequest


def list_interactions(
    *, user_id: Any, start_time: Any, end_time: Any, top_k: Any, include_images: Any
) -> Call[GetInteractionsResponse]:
    """A user's newest interactions, in as many pages as it takes."""
    request = pb.ListInteractionsRequest(
        user_id=text("user_id", user_id),
        filter=interaction_filter(start_time=start_time, end_time=end_time),
        include_images=flag("include_images", include_images),
    )

    def finish(found: Sequence[Interaction]) -> GetInteractionsResponse:
        return GetInteractionsResponse(interactions=list(found), msg=counted(len(found), "interaction"))

    return _pages(LIST, request, "top_k", wanted_count("top_k", top_k), (), finish)


def list_all_interactions(*, limit: Any, include_images: Any) -> Call[GetInteractionsViewResponse]:
    """Every user's newest interactions, in as many pages as it takes."""
    request = pb.ListAllInteractionsRequest(include_images=flag("include_images", include_images))

    def finish(found: Sequence[Interaction]) -> GetInteractionsViewResponse:
        return GetInteractionsViewResponse(interactions=list(found), msg=counted(len(found), "interaction"))

    return _pages(LIST_ALL, request, "limit", wanted_count("limit", limit), (), finish)


def delete_interaction(*, user_id: Any, interaction_id: Any, wait_for_response: Any) -> Call[DeleteInteractionResponse]:
    """Removes one interaction."""
    request = pb.DeleteInteractionRequest(
        user_id=text("user_id", user_id),
        interaction_id=integer("interaction_id", interaction_id, INT64_MAX),
        wait_for_response=flag("wait_for_response", wait_for_response),
    )

    def read(answer: pb.DeleteInteractionResponse) -> DeleteInteractionResponse:
        response = DeleteInteractionResponse(message=answer.message)
        if answer.HasField("deleted_interactions_count"):
            response.deleted_interactions_count = answer.deleted_interactions_count
        return response

    return Call(DELETE, request, read, TimeoutClass.WAITING if wait_for_response else TimeoutClass.USUAL)


def _pages(
    method: Method,
    request: _ListRequest,
    count_argument: str,
    wanted: int,
    found: Sequence[Interaction],
    finish: Callable[[Sequence[Interaction]], R],
) -> Call[R]:
    request.page_size = min(wanted - len(found), LARGEST_PAGE)

    def read(answer: pb.ListInteractionsResponse | pb.ListAllInteractionsResponse) -> R | Call[R]:
        together = (*found, *map(interaction_from, answer.interactions))
        if not answer.next_page_token or len(together) >= wanted:
            return finish(together)
        following = type(request)()
        following.CopyFrom(request)  # type: ignore[arg-type]  # Of the same type as it.
        following.page_token = answer.next_page_token
        return _pages(method, following, count_argument, wanted, together, finish)

    return Call(method, request, read, renamed={"page_size": count_argument})
