"""A page token goes on where its page ended, with the same query, and with no other."""

import base64
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import request_service_pb2 as requests

from tests.rpc.baseline import Baseline, changed
from tests.rpc.wire import Caller, refused


@pytest.fixture
async def pages(call: Caller, user_id: str) -> dict[str, Message]:
    """For each list a request for the second page of a user's seven interactions, in seven requests."""
    for n in range(7):
        said = [{"content": f"number {n}"}]
        publish = interactions.PublishInteractionsRequest(user_id=user_id, interactions=said, session_id=user_id)
        await call("PublishInteractions", publish)
    firsts = {
        "ListInteractions": interactions.ListInteractionsRequest(user_id=user_id, page_size=3),
        "ListAllInteractions": interactions.ListAllInteractionsRequest(page_size=3),
        "ListRequests": requests.ListRequestsRequest(user_id=user_id, page_size=3),
    }
    return {
        name: changed(first, {"page_token": (await call(name, first)).next_page_token})
        for name, first in firsts.items()
    }


def said(page: Any) -> list[str]:
    """What the interactions of a page say."""
    if isinstance(page, requests.ListRequestsResponse):
        return [i.content for session in page.sessions for entry in session.requests for i in entry.interactions]
    return [i.content for i in page.interactions]


@pytest.mark.parametrize("method", ["ListInteractions", "ListAllInteractions", "ListRequests"])
async def test_a_token_goes_on_where_its_page_ended(call: Caller, pages: dict[str, Message], method: str):
    second = await call(method, pages[method])
    assert said(second) == ["number 3", "number 2", "number 1"]
    third = await call(method, changed(pages[method], {"page_token": second.next_page_token, "page_size": 1}))
    assert said(third) == ["number 0"]
    if method != "ListAllInteractions":
        assert third.next_page_token == ""


async def test_how_many_may_change_from_page_to_page(call: Caller, pages: dict[str, Message]):
    assert len(said(await call("ListRequests", changed(pages["ListRequests"], {"page_size": 1, "skip": 3})))) == 1
    assert len(said(await call("ListInteractions", changed(pages["ListInteractions"], {"page_size": 1000})))) == 4


async def test_what_is_published_meanwhile_moves_nothing(
    call: Caller, there: Baseline, pages: dict[str, Message], user_id: str
):
    publish = interactions.PublishInteractionsRequest(user_id=user_id, interactions=[{"content": "later"}])
    await call("PublishInteractions", publish)
    for method in ("ListInteractions", "ListRequests"):
        assert said(await call(method, pages[method])) == ["number 3", "number 2", "number 1"]


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("ListInteractions", {"user_id": "somebody else"}),
    ("ListInteractions", {"filter": {"role": "User"}}),
    ("ListInteractions", {"filter": {"most_recent_k": 5}}),
    ("ListRequests", {"user_id": "somebody else"}),
    ("ListRequests", {"user_id": ""}),
    ("ListRequests", {"session_id": "s"}),
    ("ListRequests", {"start_time": {"seconds": 1}}),
]


@pytest.mark.parametrize(("method", "fields"), OTHERS, ids=str)
async def test_a_token_of_another_query_is_refused(
    call: Caller, pages: dict[str, Message], method: str, fields: dict[str, Any]
):
    await other_query(call, method, changed(pages[method], fields))


@pytest.mark.parametrize("method", ["ListInteractions", "ListAllInteractions", "ListRequests"])
async def test_a_token_of_another_rpc_is_refused(call: Caller, pages: dict[str, Message], method: str):
    for other in pages.keys() - {method}:
        await other_query(call, method, changed(pages[method], {"page_token": pages[other].page_token}))


async def other_query(call: Caller, method: str, request: Message) -> None:
    refusal = await refused(call(method, request))
    assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
    assert refusal.violations == (("page_token", "page_token.other_query"),)
    assert refusal.metadata == {"field": "page_token", "rule": "page_token.other_query"}


@pytest.mark.parametrize("method", ["ListInteractions", "ListAllInteractions", "ListRequests"])
@pytest.mark.parametrize("place", [bytes(24), b"\xff" * 24, b"\x7f" + b"\xff" * 23, b"\x80" + bytes(23)])
async def test_a_forged_place_does_no_harm(call: Caller, pages: dict[str, Message], method: str, place: bytes):
    token = base64.urlsafe_b64decode(pages[method].page_token + "==")
    forged = base64.urlsafe_b64encode(token[:-24] + place).decode().rstrip("=")
    request = changed(pages[method], {"page_token": forged})
    try:
        await call(method, request)
    except grpc.aio.AioRpcError:
        refusal = await refused(call(method, request))
        assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
