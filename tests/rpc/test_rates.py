"""With one credential only so much may come in a second."""

import asyncio

import grpc
import pytest
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1.server_service_pb2 import WhoAmIRequest
from reflexio_server.access.caller import AccessRole

from tests.identity.tenants import made
from tests.rpc.wire import FAILURES, Caller, path_of, refusal_of, refused
from tests.running import running_server

LIMITS = {
    "max_calls_per_second": 10,
    "max_interactions_per_second": 50,
    "max_concurrent_streams": 2,
    "max_concurrent_streams_per_key": 1,
}


@pytest.fixture(scope="module")
async def both(postgres):
    """Call a server that takes 10 calls a second, and 50 interactions, of each. Twice as many may be saved up."""
    url = postgres.new_database()
    with running_server(url, auth="api-key", **LIMITS) as server:
        tenant = await asyncio.to_thread(made, url, org_id=1)
        callers = [Caller(server.target, tenant.bearer(role)) for role in (AccessRole.ADMIN, AccessRole.MEMBER)]
        yield callers
        for caller in callers:
            await caller.channel.close()


@pytest.fixture
def slow(both):
    return both[0]


def publish(user_id, count):
    return pb.PublishInteractionsRequest(user_id=user_id, interactions=[{"content": "x"}] * count)


async def stored(call, user_id):
    """How many interactions of a user there are."""
    return len((await call("ListInteractions", pb.ListInteractionsRequest(user_id=user_id))).interactions)


async def test_too_many_interactions_are_refused_with_the_time_to_come_back(slow):
    await slow("PublishInteractions", publish("first", 100))
    refusal = await refused(slow("PublishInteractions", publish("second", 50)))
    assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert refusal.metadata == {"scope": "interactions", "limit": "50"}
    assert 0 < refusal.retry_seconds <= 1
    assert await stored(slow, "second") == 0
    await asyncio.sleep(refusal.retry_seconds)
    await slow("PublishInteractions", publish("second", 50))


async def test_a_stream_is_slowed_and_not_refused(slow):
    sizes = (100, 15, 15)
    requests = [pb.StreamPublishInteractionsRequest(publish=publish("stream", size)) for size in sizes]
    call = slow.channel.stream_stream(
        "/reflexio.v1.InteractionService/StreamPublishInteractions",
        request_serializer=pb.StreamPublishInteractionsRequest.SerializeToString,
        response_deserializer=pb.StreamPublishInteractionsResponse.FromString,
    )(requests, metadata=slow.metadata)
    assert [answer.WhichOneof("outcome") async for answer in call] == ["published"] * 3
    refusal = await refused(slow("PublishInteractions", publish("single", 100)))
    assert refusal.reason == "RATE_LIMITED", "the stream has used what there was"


async def test_one_key_does_not_take_the_room_of_others(both):
    one, other = both
    stream = one.channel.stream_stream(path_of("StreamPublishInteractions"))(metadata=one.metadata)
    request = pb.StreamPublishInteractionsRequest(publish=publish("streams", 1))
    await stream.write(request.SerializeToString())
    await stream.read()
    for method in ("StreamPublishInteractions", "ImportData"):
        # Nothing is sent: grpc.aio would have an error of its own where the call is refused before that.
        refusal = await refused(one.channel.stream_stream(path_of(method))(metadata=one.metadata).read())
        assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        assert refusal.metadata == {"scope": "streams", "limit": "1"}
    assert await other("StreamPublishInteractions", request)
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await one("StreamPublishInteractions", request)


async def test_too_many_calls_are_refused_too_and_those_with_another_key_are_not(slow, both):
    # Not more than one connection takes at once. One more call may find room again, where these took long.
    calls = (slow("WhoAmI", WhoAmIRequest()) for _ in range(100))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refusals = [refusal_of(outcome) for outcome in outcomes if isinstance(outcome, FAILURES)]
    assert 0 < len(refusals) < 100
    for refusal in refusals:
        assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
        assert refusal.metadata == {"scope": "calls", "limit": "10"}
    await both[1]("WhoAmI", WhoAmIRequest())
    await asyncio.sleep(max(refusal.retry_seconds for refusal in refusals))
    await slow("WhoAmI", WhoAmIRequest())
