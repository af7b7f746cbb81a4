"""Moving everything from one server into another, and streams that stall, break or are given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import request_service_pb2 as requests
from reflexio.v1 import server_service_pb2 as server

from tests.embed.eventually import eventually
from tests.rpc.baseline import Baseline, record
from tests.rpc.wire import Caller, refused
from tests.running import Postgres, RunningServer, running_server
from tests.validate.pictures import picture

EXPORT_EVERYTHING = data.ExportDataRequest()


@pytest.fixture
async def other_call(postgres: Postgres) -> AsyncIterator[Caller]:
    """Calls another server, with an empty database."""
    with running_server(postgres.new_database()) as other:
        caller = Caller(other.target)
        yield caller
        await caller.channel.close()


async def fill(call: Caller) -> None:
    """Publish of everything something: several users in one session, an empty request, Unicode, large texts."""
    tools = Struct()
    tools.update({"q": ["x", 1, 2.5, None, True, {"ü": "🎉"}]})
    said: list[tuple[str, str, list[dict[str, Any]]]] = [
        ("ann", "shared", [{"content": f"apples and pears, part {n}", "role": "Agent"} for n in range(40)]),
        ("bob", "shared", [{"content": "Grüße aus Köln 🎉 日本語 \u202e", "created_at": {"seconds": -1, "nanos": 1}}]),
        ("ann", "", [{"image": picture()}, {"user_action": 2, "user_action_description": "on a pear"}]),
        ("ann", "", [{"content": "word " * 50_000, "shadow_content": "s" * 262_144, "expert_content": "e"}]),
        ("ann", "alone", [{"content": "searched for apples", "tools_used": [{"tool_name": "t", "tool_data": tools}]}]),
        ("ann", "alone", [{"content": "to be deleted"}]),
        ("carol", "", [{"content": f"apple number {n}"} for n in range(60)]),
    ]
    for user_id, session_id, each in said:
        publish = interactions.PublishInteractionsRequest(
            user_id=user_id, session_id=session_id, interactions=each, source="web", agent_version="7",
            skip_aggregation=user_id == "bob", force_extraction=user_id == "carol", wait_for_response=True,
        )  # fmt: skip
        answer = await call("PublishInteractions", publish)
        if each[0].get("content") == "to be deleted":
            gone = interactions.DeleteInteractionRequest(
                user_id=user_id, interaction_id=answer.result.interaction_ids[0]
            )
            await call("DeleteInteraction", gone)


async def until_embedded(call: Caller) -> None:
    async with asyncio.timeout(30):
        while (await call("GetServerInfo", server.GetServerInfoRequest())).embedding_backlog_count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def pages(call: Caller, method: str, request: Any) -> list[Message]:
    """All pages of a list."""
    found = []
    while True:
        page = await call(method, request)
        request.page_token = page.next_page_token
        page.next_page_token = "x" if page.next_page_token else ""
        found.append(page)
        if not request.page_token:
            return found


async def answers_to_every_read(call: Caller) -> list[Any]:
    """What a server answers: lists in pages of several sizes, sessions, searches in all modes with their scores."""
    found: list[Any] = []
    for size in (3, 1000):
        for user_id in ("ann", "bob", "carol"):
            listing = interactions.ListInteractionsRequest(user_id=user_id, page_size=size, include_images=True)
            found.append(await pages(call, "ListInteractions", listing))
        everyone = interactions.ListAllInteractionsRequest(page_size=size, include_images=True)
        found.append(await pages(call, "ListAllInteractions", everyone))
        found.append(await pages(call, "ListRequests", requests.ListRequestsRequest(page_size=size)))
    found += [
        await pages(call, "ListRequests", requests.ListRequestsRequest(session_id=s)) for s in ("shared", "alone")
    ]
    for mode in (1, 2, 3):
        for user_id in ("ann", "bob", "carol"):
            for query in ("apples", "pear number 7", "Köln", ""):
                search = interactions.SearchInteractionsRequest(
                    user_id=user_id, query=query, search_mode=mode, top_k=100, include_images=True
                )
                found.append(await call("SearchInteractions", search))
    return found


async def export(call: Caller, request: data.ExportDataRequest = EXPORT_EVERYTHING) -> list[data.RequestRecord]:
    totals, *records = await call("ExportData", request)
    assert totals.totals.requests_count == len(records)
    assert totals.totals.interactions_count == sum(len(one.request.interactions) for one in records)
    return [one.request for one in records]


async def import_all(call: Caller, records: list[data.RequestRecord]) -> list[data.ImportDataResponse]:
    return await import_messages(call, [data.ImportDataRequest(request=one) for one in records])


async def import_messages(call: Caller, messages: list[data.ImportDataRequest]) -> list[data.ImportDataResponse]:
    service = call.channel.stream_stream(
        "/reflexio.v1.DataService/ImportData",
        data.ImportDataRequest.SerializeToString,
        data.ImportDataResponse.FromString,
    )
    return [answer async for answer in service(messages)]


async def test_an_import_ends_where_a_message_is_missing_and_nothing_after_it_is_stored(call: Caller, user_id: str):
    records = [record(user_id, {"content": content}) for content in ("first", "third")]
    messages = [data.ImportDataRequest(request=one, place=place) for one, place in zip(records, (1, 3), strict=True)]
    refusal = await refused(import_messages(call, messages))
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        grpc.StatusCode.UNAVAILABLE,
        "NOT_READY",
        {"place": "2"},
    )
    page = await call("ListInteractions", interactions.ListInteractionsRequest(user_id=user_id))
    assert [interaction.content for interaction in page.interactions] in ([], ["first"])


async def test_an_imported_database_answers_every_read_as_the_one_that_was_exported(
    fresh_call: Caller, other_call: Caller
):
    await fill(fresh_call)
    exported = await export(fresh_call)
    assert [len(one.interactions) for one in exported] == [40, 1, 2, 1, 1, 0, 60]
    outcomes = await import_all(other_call, exported)
    assert [one.request_id for one in outcomes] == [one.request_id for one in exported]
    assert {one.outcome for one in outcomes} == {data.IMPORT_OUTCOME_IMPORTED}
    await until_embedded(fresh_call)
    await until_embedded(other_call)
    expected, answers = await answers_to_every_read(fresh_call), await answers_to_every_read(other_call)
    for here, there in zip(expected, answers, strict=True):
        assert there == here
    assert any(hit.score > 0 for answer in expected[-12:] for hit in answer.hits)
    assert await export(other_call) == exported
    largest = max(i.interaction_id for one in exported for i in one.interactions)
    publish = interactions.PublishInteractionsRequest(
        user_id="ann", interactions=[{"content": "new"}], wait_for_response=True
    )
    for caller in (other_call, fresh_call):
        result = (await caller("PublishInteractions", publish)).result
        assert min(result.interaction_ids) > largest
    assert {one.outcome for one in await import_all(other_call, exported)} == {data.IMPORT_OUTCOME_ALREADY_THERE}


async def test_one_users_export_has_nothing_of_others(call: Caller, there: Baseline):
    [found] = await export(call, data.ExportDataRequest(user_id=there.user_id, omit_images=True))
    assert (found.user_id, found.request_id) == (there.user_id, there.request_id)
    assert [(one.image, one.image_omitted) for one in found.interactions] == [(b"", False), (b"", True)]
    assert await export(call, data.ExportDataRequest(user_id="nobody")) == []


def importing(call: Caller) -> Any:
    """A stream of bytes to an import."""
    return call.channel.stream_stream(
        "/reflexio.v1.DataService/ImportData", response_deserializer=data.ImportDataResponse.FromString
    )()


async def test_each_message_is_answered_before_the_next_is_sent_and_bad_ones_end_nothing(call: Caller, user_id: str):
    stream = importing(call)
    for bad in (b"", b"\xff", data.ImportDataRequest(request=record("")).SerializeToString()):
        await stream.write(bad)
        answer = await asyncio.wait_for(stream.read(), 10)
        assert answer.outcome == data.IMPORT_OUTCOME_REFUSED
        good = data.ImportDataRequest(request=record(user_id, {"content": "x"}))
        await stream.write(good.SerializeToString())
        answer = await asyncio.wait_for(stream.read(), 10)
        assert (answer.outcome, answer.request_id) == (data.IMPORT_OUTCOME_IMPORTED, good.request.request_id)
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_of_two_with_the_same_ids_the_first_is_stored(call: Caller, user_id: str):
    """However large the first is, and though both are worked on at once."""
    for _ in range(5):
        first = data.RequestRecord(**record(user_id, *[{"content": "x" * 2000, "image": picture()}] * 20))
        same_request = data.RequestRecord(**record("another", {"content": "y"}, request_id=first.request_id))
        same_interaction = data.RequestRecord(**record("another", {"content": "y"}))
        same_interaction.interactions[0].interaction_id = first.interactions[7].interaction_id
        answers = await import_all(call, [first, same_request, same_interaction, first])
        assert [one.outcome for one in answers] == [
            data.IMPORT_OUTCOME_IMPORTED,
            data.IMPORT_OUTCOME_REFUSED,
            data.IMPORT_OUTCOME_REFUSED,
            data.IMPORT_OUTCOME_ALREADY_THERE,
        ]


async def test_an_import_that_is_given_up_leaves_whole_requests_and_a_server_that_works(call: Caller, user_id: str):
    stream = importing(call)
    sent = [data.ImportDataRequest(request=record(user_id, *[{"content": "x"}] * 20)) for _ in range(30)]
    for message in sent:
        await stream.write(message.SerializeToString())
    await stream.read()
    stream.cancel()
    found = await export(call, data.ExportDataRequest(user_id=user_id))
    assert {len(one.interactions) for one in found} == {20}
    answers = await import_all(call, [message.request for message in sent])
    assert {one.outcome for one in answers} == {data.IMPORT_OUTCOME_IMPORTED, data.IMPORT_OUTCOME_ALREADY_THERE}
    assert len(await export(call, data.ExportDataRequest(user_id=user_id))) == 30


async def test_slow_readers_hold_up_nobody(fresh_server: RunningServer, fresh_call: Caller):
    large = {"shadow_content": "s" * 262_144, "expert_content": "e" * 262_144}
    stored = await import_all(fresh_call, [data.RequestRecord(**record("ann", large, large)) for _ in range(20)])
    assert {one.outcome for one in stored} == {data.IMPORT_OUTCOME_IMPORTED}
    async with AsyncExitStack() as opened:

        async def begun() -> Any:
            # A connection of its own, as a program of its own would have: it is the connection that is full then.
            caller = Caller(fresh_server.target)
            opened.push_async_callback(caller.channel.close)
            service = caller.channel.unary_stream(
                "/reflexio.v1.DataService/ExportData",
                data.ExportDataRequest.SerializeToString,
                data.ExportDataResponse.FromString,
            )
            return service(EXPORT_EVERYTHING)

        slow = [await begun() for _ in range(4)]
        for stream in slow:
            assert (await stream.read()).totals.requests_count == 20
        refusal = await refused(fresh_call("ExportData", EXPORT_EVERYTHING))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        assert refusal.metadata == {"scope": "exports", "limit": "4"}
        assert refusal.retry_seconds
        for n in range(20):
            publish = interactions.PublishInteractionsRequest(user_id="bob", interactions=[{"content": f"number {n}"}])
            await fresh_call("PublishInteractions", publish, timeout=10)
        slow[0].cancel()

        async def there_is_room() -> bool:
            try:
                return len(await export(fresh_call)) == 40
            except grpc.aio.AioRpcError:
                return False

        await eventually(there_is_room)
        read = [await slow[1].read() for _ in range(21)]
        assert (len({message.request.request_id for message in read[:20]}), read[20]) == (20, grpc.aio.EOF)
        for stream in slow[2:]:
            stream.cancel()
