"""What does not exist is deleted zero times and found nowhere: success, with a message that says so."""

from uuid import UUID

import pytest
from google.protobuf.message import Message
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import request_service_pb2 as requests

from tests.rpc.baseline import GOOD, Baseline, snapshot
from tests.rpc.wire import Caller

NO_IDS = ["not a uuid", "00000000-0000-0000-0000-000000000000", str(UUID(int=2**100)), "x" * 256, "'; drop table", "ü"]


def deletes(there: Baseline) -> list[Message]:
    return [
        interactions.DeleteInteractionRequest(user_id=there.user_id, interaction_id=2**63 - 1),
        interactions.DeleteInteractionRequest(user_id="nobody", interaction_id=there.interaction_ids[0]),
        *(requests.DeleteRequestRequest(request_id=text) for text in NO_IDS),
        requests.DeleteSessionRequest(session_id="no such session"),
        requests.DeleteSessionRequest(session_id=there.session_id, user_id="nobody"),
    ]


@pytest.mark.parametrize("which", range(10))
@pytest.mark.parametrize("wait", [True, False])
async def test_deleting_what_is_not_there(call: Caller, there: Baseline, which: int, wait: bool):
    request = deletes(there)[which]
    request.wait_for_response = wait
    before = await snapshot(call, there)
    answer = await call(type(request).__name__.removesuffix("Request"), request)
    assert "nothing was deleted" in answer.message
    counts = {field.name for field in answer.DESCRIPTOR.fields if field.name.endswith("_count")}
    assert all(answer.HasField(count) == wait for count in counts)
    assert all(getattr(answer, count) == 0 for count in counts)
    assert await snapshot(call, there) == before


async def test_deleting_several_of_which_some_are_not_there(call: Caller, there: Baseline):
    request = requests.BatchDeleteRequestsRequest(request_ids=NO_IDS)
    before = await snapshot(call, there)
    answer = await call("BatchDeleteRequests", request)
    assert (answer.deleted_requests_count, answer.deleted_interactions_count) == (0, 0)
    assert "nothing was deleted" in answer.message
    assert await snapshot(call, there) == before
    request.request_ids.extend([there.request_id, there.request_id])
    answer = await call("BatchDeleteRequests", request)
    assert (answer.deleted_requests_count, answer.deleted_interactions_count) == (1, 2)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_delete_says_what_it_did_and_its_repetition_is_harmless(call: Caller, there: Baseline, wait: bool):
    request = requests.DeleteRequestRequest(request_id=there.request_id, wait_for_response=wait)
    answer = await call("DeleteRequest", request)
    assert answer.message == "deleted 1 request and 2 interactions"
    assert answer.HasField("deleted_requests_count") == wait
    assert answer.deleted_interactions_count == (2 if wait else 0)
    assert "nothing was deleted" in (await call("DeleteRequest", request)).message


async def test_everything_deleted_of_nothing(fresh_call: Caller):
    answer = await fresh_call("DeleteAllInteractions", requests.DeleteAllInteractionsRequest())
    assert (answer.deleted_requests_count, answer.deleted_interactions_count) == (0, 0)
    assert "nothing was deleted" in answer.message


@pytest.mark.parametrize("text", NO_IDS)
async def test_reading_of_an_unknown_request_finds_nothing(call: Caller, there: Baseline, text: str):
    where = {"request_id": text}
    found = await call("ListRequests", requests.ListRequestsRequest(request_id=text))
    assert not found.sessions
    listed = await call("ListInteractions", interactions.ListInteractionsRequest(user_id=there.user_id, filter=where))
    assert not listed.interactions
    for mode in interactions.SearchMode.values():
        search = interactions.SearchInteractionsRequest(
            user_id=there.user_id, query="hello", filter=where, search_mode=mode
        )
        assert not (await call("SearchInteractions", search)).hits


async def test_an_unknown_user_has_nothing(call: Caller, user_id: str):
    nobody = Baseline(user_id, "no session", "", (1,))
    assert not (await call("SearchInteractions", GOOD["SearchInteractions"](nobody))).hits
    assert not (await call("ListInteractions", GOOD["ListInteractions"](nobody))).interactions
    assert not (await call("ListRequests", GOOD["ListRequests"](nobody))).sessions
