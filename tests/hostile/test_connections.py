"""Connections are bounded in number, time and size, and who keeps none of the rules disturbs nobody."""

import asyncio
from contextlib import ExitStack

import grpc
import pytest
from grpc import StatusCode
from reflexio.v1 import data_service_pb2
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1.server_service_pb2 import WhoAmIRequest

from tests.embed.eventually import eventually
from tests.hostile.garbage import PREFACE, SETTINGS, RawConnection, frame
from tests.rpc.wire import Caller, path_of, refused
from tests.running import running_server
from tests.validate.pictures import picture


@pytest.fixture(scope="module")
def strict(postgres):
    """A server that has little patience."""
    settings = {
        "handshake_seconds": 0.5,
        "connection_idle_seconds": 2,
        "stream_idle_seconds": 0.5,
        "max_connections": 20,
        "max_concurrent_streams": 1,
        "max_metadata_kb": 8,
        "max_interactions_per_request": 3,
        "max_query_bytes": 100,
        "max_tool_data_bytes": 200,
        "max_tool_data_depth": 2,
    }
    with running_server(postgres.new_database(), **settings) as server:
        yield server


@pytest.fixture
async def call(strict):
    caller = Caller(strict.target)
    yield caller
    await caller.channel.close()


@pytest.fixture
def connect(strict):
    """Opens plain connections, which are closed at the end."""
    with ExitStack() as opened:

        def open_one(data=b""):
            connection = RawConnection(strict.app.port, data)
            opened.callback(connection.close)
            return connection

        yield open_one


NONSENSE = {
    "nothing": b"",
    "half a preface": PREFACE[:10],
    "a preface": PREFACE,
    "no call": PREFACE + SETTINGS,
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500),
    "noise": b"\xff" * 300,
    "noise after the preface": PREFACE + SETTINGS + b"\xff" * 300,
    "a frame that is too long": PREFACE + SETTINGS + frame(0, 0, 1, b"x", length=2**24 - 1),
    "data without a call": PREFACE + SETTINGS + frame(0, 0, 1, b"x" * 100),
    "headers that are none": PREFACE + SETTINGS + frame(1, 4, 1, b"\xff" * 100),
    "headers of an even stream": PREFACE + SETTINGS + frame(1, 4, 2, b"\x82"),
    "headers without an end": PREFACE + SETTINGS + frame(1, 0, 1, b"\x82"),
}


async def test_connections_that_come_to_nothing_are_closed_and_others_served(connect, call):
    connections = {name: connect(data) for name, data in NONSENSE.items()}
    everybody = asyncio.gather(*(connection.closed() for connection in connections.values()))
    while not everybody.done():
        await call("WhoAmI", WhoAmIRequest())
    assert dict(zip(connections, everybody.result(), strict=True)) == dict.fromkeys(connections, True)


async def test_only_so_many_connections_are_kept(connect, call):
    await call("WhoAmI", WhoAmIRequest())
    many = [connect(PREFACE + SETTINGS) for _ in range(40)]
    closed = await asyncio.gather(*(connection.closed(0.2) for connection in many))
    assert 20 < sum(closed) < 40
    await call("WhoAmI", WhoAmIRequest())
    for connection in many:
        connection.close()
    await call("WhoAmI", WhoAmIRequest(), wait_for_ready=True, timeout=30)


async def test_metadata_is_bounded(call):
    await call("WhoAmI", WhoAmIRequest(), metadata=[("x-much", "a" * 7000)])
    refusal = await refused(call("WhoAmI", WhoAmIRequest(), metadata=[("x-much", "a" * 9000)]))
    assert refusal.code is StatusCode.RESOURCE_EXHAUSTED
    assert "metadata" in refusal.message


def publish(*interactions):
    return pb.PublishInteractionsRequest(user_id="user", interactions=interactions)


async def test_what_is_sent_is_bounded_as_the_operator_wants(call):
    said = {"content": "x"}
    good = [
        ("PublishInteractions", publish(*[said] * 3)),
        ("PublishInteractions", publish({"tools_used": [tool({"a": {"b": "x" * 150}})]})),
        ("SearchInteractions", pb.SearchInteractionsRequest(user_id="user", query="é" * 50)),
    ]
    for method, request in good:
        await call(method, request)
    bad = [
        ("PublishInteractions", publish(*[said] * 4), "interactions", "repeated.max_items"),
        (
            "PublishInteractions",
            publish({"tools_used": [tool({"a": {"b": {"c": 1}}})]}),
            "interactions[0].tools_used[0].tool_data",
            "struct.depth",
        ),
        (
            "PublishInteractions",
            publish({"tools_used": [tool({"a": "x" * 100})] * 2}),
            "interactions[0].tools_used",
            "tools_used.max_bytes",
        ),
        (
            "SearchInteractions",
            pb.SearchInteractionsRequest(user_id="user", query="é" * 51),
            "query",
            "string.max_bytes",
        ),
    ]
    for method, request, field, rule in bad:
        refusal = await refused(call(method, request))
        assert (refusal.code, refusal.violations) == (StatusCode.INVALID_ARGUMENT, ((field, rule),))
    streamed = pb.StreamPublishInteractionsRequest(publish=publish(*[said] * 4))
    refusal = await refused(call("StreamPublishInteractions", streamed))
    assert refusal.violations == (("publish.interactions", "repeated.max_items"),)


def tool(data):
    made = pb.PublishInteractionsRequest().interactions.add().tools_used.add(tool_name="t")
    made.tool_data.update(data)
    return made


async def test_a_stream_whose_caller_falls_silent_ends(call):
    stream = call.channel.stream_stream(path_of("StreamPublishInteractions"))()
    message = pb.StreamPublishInteractionsRequest(publish=publish({"content": "x"}))
    for _ in range(2):
        await stream.write(message.SerializeToString())
        await stream.read()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stream.read()
    assert ended.value.code() is StatusCode.UNAVAILABLE
    assert "0.5 seconds" in ended.value.details()
    for method in ("ImportData", "StreamPublishInteractions"):
        stream = call.channel.stream_stream(path_of(method))()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        assert ended.value.code() is StatusCode.UNAVAILABLE


async def test_an_export_that_nobody_reads_ends_and_makes_room(call):
    pictures = [{"image": picture() + bytes(9_000_000)}] * 3
    request = pb.PublishInteractionsRequest(user_id="reader", interactions=pictures)
    await call("PublishInteractions", request)
    unread = call.channel.unary_stream(path_of("ExportData"))(b"")
    try:

        async def there_is_room():
            try:
                await call("ExportData", data_service_pb2.ExportDataRequest(user_id="nobody"))
            except grpc.aio.AioRpcError as error:
                return error.code() is not StatusCode.RESOURCE_EXHAUSTED
            return True

        assert not await there_is_room()
        await eventually(there_is_room)
    finally:
        unread.cancel()


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_small_message_that_is_large_when_unpacked_is_refused(strict, compression):
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(strict.target, compression=compression, options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await channel.unary_unary(path_of("PublishInteractions"))(bytes(40_000_000), timeout=60)
        assert refusal.value.code() is StatusCode.RESOURCE_EXHAUSTED
