"""No organisation takes what others need: neither with many keys, nor without one, nor with exports nobody reads."""

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest
from grpc import StatusCode
from reflexio.v1 import access_service_pb2 as access
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio_server.access.caller import AccessRole

from tests.identity.tenants import made
from tests.rpc.wire import Caller, path_of, refused
from tests.running import running_server
from tests.validate.pictures import picture

LIMITS = {
    "max_concurrent_streams_per_organization": 3,
    "max_concurrent_exports": 4,
    "max_concurrent_calls_per_key": 1,
}


@pytest.fixture(scope="module")
def keyed(postgres):
    """A server, and two organisations that share it."""
    url = postgres.new_database()
    with running_server(url, auth="api-key", drain_seconds=0.5, **LIMITS) as server:
        yield server, made(url), made(url)


@pytest.fixture
async def call(keyed):
    caller = Caller(keyed[0].target)
    yield caller
    await caller.channel.close()


async def test_keys_of_one_organisation_share_its_streams(keyed, call):
    _, one, other = keyed
    publish = interactions.PublishInteractionsRequest(user_id="u", interactions=[{"content": "x"}])
    message = interactions.StreamPublishInteractionsRequest(publish=publish)
    stream = call.channel.stream_stream(path_of("StreamPublishInteractions"))
    held = [stream(metadata=one.bearer(role)) for role in (AccessRole.ADMIN, AccessRole.MEMBER, AccessRole.MEMBER)]
    for opened in held:
        await opened.write(message.SerializeToString())
        await opened.read()
    refusal = await refused(call("StreamPublishInteractions", message, metadata=one.bearer()))
    assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    assert refusal.metadata == {"scope": "streams", "limit": "3"}
    assert "of this organization" in refusal.message
    assert await call("StreamPublishInteractions", message, metadata=other.bearer(AccessRole.MEMBER))
    for opened in held:
        await opened.done_writing()
        assert await opened.read() is grpc.aio.EOF
    assert await call("StreamPublishInteractions", message, metadata=one.bearer(AccessRole.MEMBER))


async def test_exports_beyond_the_half_of_one_organisation_are_refused_and_those_of_others_are_not(keyed, call):
    _, one, other = keyed
    said = [{"image": picture() + bytes(9_000_000)}] * 3
    publish = interactions.PublishInteractionsRequest(user_id="big", interactions=said)
    await call("PublishInteractions", publish, metadata=one.bearer(AccessRole.MEMBER))
    request = data.ExportDataRequest(user_id="big")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            channel = grpc.aio.insecure_channel(keyed[0].target, options=[("grpc.use_local_subchannel_pool", 1)])
            await stack.enter_async_context(channel)
            unread = channel.unary_stream(path_of("ExportData"))
            opened = unread(request.SerializeToString(), metadata=one.bearer(AccessRole.READER))
            await opened.read()
        refusal = await refused(call("ExportData", data.ExportDataRequest(), metadata=one.bearer()))
        assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        assert refusal.metadata == {"scope": "exports", "limit": "2"}
        assert refusal.retry_seconds
        assert await call("ExportData", data.ExportDataRequest(), metadata=other.bearer())


async def forwarded_from(address, port, reader, writer):
    """Hand a connection on to a server, as if it came from another address of this machine."""
    inward, outward = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))

    async def hand_on(source, sink):
        while data := await source.read(65_536):
            sink.write(data)
        sink.close()

    await asyncio.gather(hand_on(reader, outward), hand_on(inward, writer), return_exceptions=True)


async def test_calls_without_a_key_are_counted_by_where_they_come_from(keyed):
    server = keyed[0]
    here = Caller(server.target)

    async def from_elsewhere(reader, writer):
        await forwarded_from("127.0.0.2", server.app.port, reader, writer)

    def login(ask, name):
        return refused(ask("Login", access.LoginRequest(email=f"{name}@example.com", password="a wrong password")))

    async with await asyncio.start_server(from_elsewhere, "127.0.0.1", 0) as door:
        there = Caller(f"127.0.0.1:{door.sockets[0].getsockname()[1]}")
        await there.channel.channel_ready()
        [other, *mine] = await asyncio.gather(login(there, "there"), *(login(here, f"here{n}") for n in range(10)))
        await there.channel.close()
        await here.channel.close()
    assert other.reason == "LOGIN_REFUSED"
    assert "TOO_MANY_CALLS" in {refusal.reason for refusal in mine}
