"""Calls of the RequestService."""

from dataclasses import replace
from typing import Any

from reflexio._calls.call import Call, Method
from reflexio._calls.fields import condition, flag, integer, several, text, wanted_count
from reflexio._calls.interactions import LARGEST_PAGE
from reflexio._calls.results import counted, request_data_from
from reflexio._calls.sessions import session_name, session_rename
from reflexio._calls.timestamps import last_moment, timestamp
from reflexio._channel import TimeoutClass
from reflexio.models import (
    DeleteAllInteractionsResponse,
    DeleteRequestResponse,
    DeleteRequestsByIdsResponse,
    DeleteSessionResponse,
    GetRequestsResponse,
    SessionData,
)
from reflexio.v1 import request_service_pb2 as pb

_SERVICE = "reflexio.v1.RequestService"
LIST = Method(_SERVICE, "ListRequests", pb.ListRequestsRequest, pb.ListRequestsResponse)
DELETE = Method(_SERVICE, "DeleteRequest", pb.DeleteRequestRequest, pb.DeleteRequestResponse)
DELETE_SEVERAL = Method(_SERVICE, "BatchDeleteRequests", pb.BatchDeleteRequestsRequest, pb.BatchDeleteRequestsResponse)
DELETE_SESSION = Method(_SERVICE, "DeleteSession", pb.DeleteSessionRequest, pb.DeleteSessionResponse)
DELETE_ALL = Method(
    _SERVICE, "DeleteAllInteractions", pb.DeleteAllInteractionsRequest, pb.DeleteAllInteractionsResponse
)


def list_requests(
    *,
    user_id: Any,
    request_id: Any,
    session_id: Any,
    start_time: Any,
    end_time: Any,
    top_k: Any,
    offset: Any,
    request_group: Any,
    include_images: Any,
) -> Call[GetRequestsResponse]:
    """The newest requests by session, in as many pages as it takes."""
    request = pb.ListRequestsRequest(
        user_id=condition("user_id", user_id),
        request_id=condition("request_id", request_id),
        session_id=session_name(
            condition("session_id", session_id) or None, condition("request_group", request_group) or None
        ),
        skip=integer("offset", offset),
        include_images=flag("include_images", include_images),
    )
    if start_time is not None:
        request.start_time.CopyFrom(timestamp("start_time", start_time))
    if end_time is not None:
        request.end_time.CopyFrom(last_moment("end_time", end_time))
    renamed = {"page_size": "top_k", "skip": "offset", **session_rename(session_id)}
    return _pages(request, wanted_count("top_k", top_k), (), renamed)


def _pages(
    request: pb.ListRequestsRequest, wanted: int, found: tuple[SessionData, ...], renamed: dict[str, str]
) -> Call[GetRequestsResponse]:
    request.page_size = min(wanted - _count(found), LARGEST_PAGE)

    def read(answer: pb.ListRequestsResponse) -> GetRequestsResponse | Call[GetRequestsResponse]:
        together = _joined(found, answer)
        if not answer.next_page_token or _count(together) >= wanted:
            more = bool(answer.next_page_token)
            return GetRequestsResponse(sessions=list(together), has_more=more, msg=counted(_count(together), "request"))
        following = pb.ListRequestsRequest()
        following.CopyFrom(request)
        following.page_token = answer.next_page_token
        # It would be counted from the token again.
        following.skip = 0
        return _pages(following, wanted, together, renamed)

    return Call(LIST, request, read, renamed=renamed)


def _count(sessions: tuple[SessionData, ...]) -> int:
    return sum(len(session.requests) for session in sessions)


def _joined(found: tuple[SessionData, ...], answer: pb.ListRequestsResponse) -> tuple[SessionData, ...]:
    """The sessions so far and those of one more page, each once. A session stays where its newest request put it."""
    sessions = {session.session_id: session for session in found}
    for message in answer.sessions:
        name = message.session_id or None
        requests = [request_data_from(request) for request in message.requests]
        if (earlier := sessions.get(name)) is not None:
            sessions[name] = replace(earlier, requests=[*earlier.requests, *requests])
        else:
            sessions[name] = SessionData(session_id=name, requests=requests)
    return tuple(sessions.values())


def delete_request(*, request_id: Any, wait_for_response: Any) -> Call[DeleteRequestResponse]:
    """Removes one request."""
    request = pb.DeleteRequestRequest(
        request_id=text("request_id", request_id), wait_for_response=flag("wait_for_response", wait_for_response)
    )

    def read(answer: pb.DeleteRequestResponse) -> DeleteRequestResponse:
        requests, interactions = _counts(answer)
        return DeleteRequestResponse(
            message=answer.message, deleted_requests_count=requests, deleted_interactions_count=interactions
        )

    return Call(DELETE, request, read, _timeout_class(wait_for_response))


def delete_session(
    *, session_id: Any, wait_for_response: Any, user_id: Any, argument: str = "session_id"
) -> Call[DeleteSessionResponse]:
    """Removes a session, or one user's part of it. `argument` is what the caller calls the session."""
    request = pb.DeleteSessionRequest(
        session_id=text(argument, session_id),
        user_id=condition("user_id", user_id),
        wait_for_response=flag("wait_for_response", wait_for_response),
    )

    def read(answer: pb.DeleteSessionResponse) -> DeleteSessionResponse:
        requests, interactions = _counts(answer)
        return DeleteSessionResponse(
            message=answer.message, deleted_requests_count=requests, deleted_interactions_count=interactions
        )

    return Call(DELETE_SESSION, request, read, _timeout_class(wait_for_response), {"session_id": argument})


def delete_requests(*, request_ids: Any) -> Call[DeleteRequestsByIdsResponse]:
    """Removes several requests."""
    names = several("request_ids", request_ids, "str")
    request = pb.BatchDeleteRequestsRequest(
        request_ids=[text(f"request_ids[{index}]", name) for index, name in enumerate(names)]
    )

    def read(answer: pb.BatchDeleteRequestsResponse) -> DeleteRequestsByIdsResponse:
        return DeleteRequestsByIdsResponse(
            message=answer.message,
            deleted_count=answer.deleted_requests_count,
            deleted_interactions_count=answer.deleted_interactions_count,
        )

    return Call(DELETE_SEVERAL, request, read, TimeoutClass.WAITING)


def delete_everything() -> Call[DeleteAllInteractionsResponse]:
    """Removes every request of every user."""

    def read(answer: pb.DeleteAllInteractionsResponse) -> DeleteAllInteractionsResponse:
        return DeleteAllInteractionsResponse(
            message=answer.message,
            deleted_requests_count=answer.deleted_requests_count,
            deleted_interactions_count=answer.deleted_interactions_count,
        )

    return Call(DELETE_ALL, pb.DeleteAllInteractionsRequest(), read, TimeoutClass.WAITING)


def _timeout_class(wait_for_response: bool) -> TimeoutClass:
    return TimeoutClass.WAITING if wait_for_response else TimeoutClass.USUAL


def _counts(answer: pb.DeleteRequestResponse | pb.DeleteSessionResponse) -> tuple[int | None, int | None]:
    """How many requests and interactions are gone; None twice when the call did not wait."""
    if not answer.HasField("deleted_requests_count"):
        return None, None
    return answer.deleted_requests_count, answer.deleted_interactions_count
