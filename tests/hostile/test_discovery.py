"""Whoever needs no key has bounds too: streams of health and reflection."""

import asyncio

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from reflexio_server.rpc.interceptors import discovery

from tests.embed.eventually import eventually
from tests.running import running_server

WATCH, REFLECT = discovery.MOST_OPEN


@pytest.fixture(scope="module")
def strict(postgres):
    with running_server(postgres.new_database(), stream_idle_seconds=0.5) as server:
        yield server


@pytest.fixture
async def channel(strict):
    async with grpc.aio.insecure_channel(strict.target) as opened:
        yield opened


async def test_only_so_many_may_watch_and_those_who_leave_make_room(channel, monkeypatch):
    monkeypatch.setitem(discovery.MOST_OPEN, WATCH, 12)
    stub = health_pb2_grpc.HealthStub(channel)
    watching = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
    for watch in watching:
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Watch(health_pb2.HealthCheckRequest()).read()
    assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    await asyncio.sleep(0.6)
    assert not any(watch.done() for watch in watching), "who watches is not idle"
    watching[0].cancel()

    async def there_is_room():
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        try:
            return bool(await watch.read())
        except grpc.aio.AioRpcError:
            return False
        finally:
            watch.cancel()

    await eventually(there_is_room)
    for watch in watching:
        watch.cancel()


async def test_only_so_many_streams_of_reflection_and_none_that_rests(channel, monkeypatch):
    monkeypatch.setitem(discovery.MOST_OPEN, REFLECT, 8)
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    streams = [stub.ServerReflectionInfo() for _ in range(2)]
    for stream in streams:
        await stream.write(question)
        assert (await stream.read()).HasField("list_services_response")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.ServerReflectionInfo().read()
    assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
    for stream in streams:
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await asyncio.wait_for(stream.read(), 20)
        assert ended.value.code() is StatusCode.UNAVAILABLE
    stream = stub.ServerReflectionInfo()
    await stream.write(question)
    assert (await stream.read()).HasField("list_services_response")
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
