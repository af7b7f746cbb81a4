"""A stream of publishes: acknowledged in order, a few at a time, and ended in good order when the server stops."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import StatusCode
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio_server.app import Application
from reflexio_server.embed import backlog_limits
from reflexio_server.settings import Settings

from tests.embed.eventually import eventually
from tests.embed.gate import GatedEmbedder
from tests.rpc.baseline import record
from tests.rpc.wire import Caller, refusal_in_stream, refused
from tests.running import Postgres, running_server


def publish(user_id: str, content: str, **more: object) -> pb.StreamPublishInteractionsRequest:
    request = pb.PublishInteractionsRequest(user_id=user_id, interactions=[{"content": content}], **more)
    return pb.StreamPublishInteractionsRequest(publish=request)


def opened(call: Caller) -> grpc.aio.StreamStreamCall:
    return call._stubs[0].StreamPublishInteractions()


async def listed(call: Caller, user_id: str) -> list[str]:
    page = await call("ListInteractions", pb.ListInteractionsRequest(user_id=user_id, page_size=1000))
    return [interaction.content for interaction in reversed(page.interactions)]


async def test_acknowledgements_come_in_order_with_refusals_among_them(call: Caller, user_id: str):
    stream = opened(call)
    for n in range(100):
        # The first waits, and the others do not wait for it but for their place.
        bad = {"source": "\0"} if n % 10 == 5 else {}
        await stream.write(publish(user_id, f"text {n}", session_id="s", wait_for_response=n % 7 == 0, **bad))
    await stream.done_writing()
    answers = [answer async for answer in stream]
    assert [answer.WhichOneof("outcome") for answer in answers] == [
        "refusal" if n % 10 == 5 else "published" for n in range(100)
    ]
    refusal = refusal_in_stream(answers[5].refusal)
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        {"field": "publish.source", "rule": "string.not_contains"},
    )
    assert refusal.violations == (("publish.source", "string.not_contains"),)
    assert len(answers[7].published.result.interaction_ids) == 1
    assert await listed(call, user_id) == [f"text {n}" for n in range(100) if n % 10 != 5]


async def test_a_stream_ends_where_a_message_is_missing_and_nothing_after_it_is_stored(call: Caller, user_id: str):
    stream = opened(call)
    for place, content in ((1, "first"), (2, "second"), (4, "fourth")):
        message = publish(user_id, content, session_id="s")
        message.place = place
        await stream.write(message)

    async def answers() -> list[pb.StreamPublishInteractionsResponse]:
        return [answer async for answer in stream]

    refusal = await refused(answers())
    assert (refusal.code, refusal.reason, refusal.metadata) == (StatusCode.UNAVAILABLE, "NOT_READY", {"place": "3"})
    assert await listed(call, user_id) in ([], ["first"], ["first", "second"])


async def test_messages_that_the_contract_refuses_have_their_place_too(call: Caller, user_id: str):
    stream = opened(call)
    for place, content in enumerate(("first", "", "third"), 1):
        message = publish(user_id, content)
        message.place = place
        await stream.write(message)
    await stream.done_writing()
    assert [answer.WhichOneof("outcome") async for answer in stream] == ["published", "refusal", "published"]


async def test_a_key_that_comes_again_on_another_stream_is_stored_once(call: Caller, user_id: str):
    for outcome in ("stored 1 interaction", "stored before under this key: 1 interaction"):
        stream = opened(call)
        await stream.write(publish(user_id, "text", idempotency_key=f"key of {user_id}"))
        await stream.done_writing()
        assert [answer.published.message async for answer in stream] == [outcome]
    assert await listed(call, user_id) == ["text"]


@pytest.fixture
async def held(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Caller, GatedEmbedder]]:
    """Calls a server with low limits whose model is held up."""
    # What is stored while the queue is counted counts twice until the next time: here it is counted at the start only.
    monkeypatch.setattr(backlog_limits, "_LEAST_PAUSE", 60.0)
    embedder = GatedEmbedder()
    limits = {"max_concurrent_calls": 3, "max_concurrent_streams": 2, "max_user_backlog": 5}
    limits["max_organization_backlog"] = 8
    with running_server(postgres.new_database(), embedder=embedder, **limits) as server:
        call = Caller(server.target)
        embedder.close()
        yield call, embedder
        embedder.open()
        await call.channel.close()


async def test_the_server_reads_no_further_than_it_works(held: tuple[Caller, GatedEmbedder]):
    call, embedder = held
    stream = opened(call)
    for n in range(40):
        await stream.write(publish(f"user {n % 8}", f"text {n}", wait_for_response=True))
    await stream.done_writing()

    async def all_that_may_be_is_stored() -> bool:
        page = await call("ListAllInteractions", pb.ListAllInteractionsRequest(page_size=1000))
        assert len(page.interactions) <= 4, "half of the organisation's limit: single publishes find room beside it"
        return len(page.interactions) == 4

    await eventually(all_that_may_be_is_stored)
    embedder.open()
    assert [answer.WhichOneof("outcome") async for answer in stream] == ["published"] * 40


async def test_a_full_backlog_refuses_and_says_when_to_come_again(held: tuple[Caller, GatedEmbedder]):
    call, embedder = held

    def request(user: str, key: str = "") -> pb.PublishInteractionsRequest:
        return pb.PublishInteractionsRequest(user_id=user, interactions=[{"content": "x"}], idempotency_key=key)

    for n in range(5):
        await call("PublishInteractions", request("ann", f"key {n}"))
    refusal = await refused(call("PublishInteractions", request("ann", "key 5")))
    assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "BACKLOG_FULL")
    assert refusal.metadata == {"scope": "user", "waiting": "5", "limit": "5"}
    assert refusal.retry_seconds == 5
    # What was stored is acknowledged again.
    await call("PublishInteractions", request("ann", "key 4"))
    for user in ("ben", "cay", "dan"):
        await call("PublishInteractions", request(user))
    refusal = await refused(call("PublishInteractions", request("eve")))
    assert refusal.metadata == {"scope": "organization", "waiting": "8", "limit": "8"}
    embedder.open()

    async def there_is_room_again() -> bool:
        await call("PublishInteractions", request("ann", "key 6"))
        return True

    await eventually(lambda: _succeeds(there_is_room_again))
    assert len(await listed(call, "ann")) == 6


async def test_an_import_waits_for_room_instead_of_taking_that_of_others(held: tuple[Caller, GatedEmbedder]):
    call, embedder = held
    stream = call._stubs[2].ImportData()
    for _ in range(4):
        imported = data.RequestRecord(**record("ann", *[{"content": "x"}] * 3))
        await stream.write(data.ImportDataRequest(request=imported))
    await stream.done_writing()
    answers = aiter(stream)
    assert (await anext(answers)).outcome == data.IMPORT_OUTCOME_IMPORTED
    # The second would be three more than five.
    assert len(await listed(call, "ann")) == 3
    for _ in range(2):
        await call("PublishInteractions", pb.PublishInteractionsRequest(user_id="ann", interactions=[{"content": "y"}]))
    assert len(await listed(call, "ann")) == 5
    embedder.open()
    assert [answer.outcome async for answer in answers] == [data.IMPORT_OUTCOME_IMPORTED] * 3
    assert len(await listed(call, "ann")) == 14


async def _succeeds(attempt) -> bool:
    try:
        return await attempt()
    except grpc.aio.AioRpcError:
        return False


async def test_calls_and_streams_beyond_the_limit_are_refused_at_once(held: tuple[Caller, GatedEmbedder]):
    call, embedder = held
    wait = pb.PublishInteractionsRequest(user_id="ann", interactions=[{"content": "x"}], wait_for_response=True)
    waiting = [asyncio.ensure_future(call("PublishInteractions", wait)) for _ in range(3)]
    await embedder.stopped()
    who = pb.ListInteractionsRequest(user_id="ann")
    refusals = []

    async def refused_now() -> bool:
        try:
            await call("ListInteractions", who)
        except grpc.aio.AioRpcError:
            refusals.append(await refused(call("ListInteractions", who)))
        return bool(refusals)

    await eventually(refused_now)
    assert (refusals[0].code, refusals[0].reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    assert refusals[0].metadata == {"scope": "calls", "limit": "3"}
    assert refusals[0].retry_seconds == 1
    streams = [opened(call) for _ in range(2)]
    for n, stream in enumerate(streams):
        # Without a text, which would have to wait for room.
        click = pb.PublishInteractionsRequest(user_id=f"user {n}", interactions=[{"user_action": 2}])
        await stream.write(pb.StreamPublishInteractionsRequest(publish=click))
        assert (await stream.read()).HasField("published"), "streams are counted by themselves"
    third = opened(call)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await third.read()
    assert error.value.code() is StatusCode.RESOURCE_EXHAUSTED
    for stream in streams:
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
    embedder.open()
    await asyncio.gather(*waiting)
    await call("ListInteractions", who)


async def test_a_server_that_stops_acknowledges_what_it_has_read_and_says_so(postgres: Postgres):
    app = Application(Settings(port=0, database_url=postgres.new_database()), GatedEmbedder())
    await app.start()
    call = Caller(f"127.0.0.1:{app.port}")
    stream = opened(call)
    await stream.write(publish("user", "text"))
    assert (await stream.read()).HasField("published")
    stopping = asyncio.create_task(app.stop())
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stream.read()
    assert error.value.code() is StatusCode.UNAVAILABLE
    assert "stopping" in error.value.details()
    await stopping
    await call.channel.close()
