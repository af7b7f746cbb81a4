"""Before everything is there, and while it goes: calls are refused with a reason, and health says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from reflexio_server.app import Application
from reflexio_server.settings import Settings

from tests.fakes.embedder import FakeEmbedder
from tests.rpc.baseline import GOOD, Baseline
from tests.rpc.embedders import HeldEmbedder
from tests.rpc.wire import METHODS, Caller, refused
from tests.running import Postgres

SERVICES = ["", *sorted({method.containing_service.full_name for method in METHODS.values()})]
NOBODY = Baseline("nobody", "no session", "no request", (1,))


@dataclass
class Starting:
    """A server whose model is not loaded yet."""

    app: Application
    embedder: HeldEmbedder
    call: Caller
    started: asyncio.Task[None]

    async def health(self) -> dict[str, str]:
        """What health says of each service."""
        stub = health_pb2_grpc.HealthStub(self.call.channel)
        answers = {name: await stub.Check(health_pb2.HealthCheckRequest(service=name)) for name in SERVICES}
        return {name: health_pb2.HealthCheckResponse.ServingStatus.Name(a.status) for name, a in answers.items()}


@pytest.fixture
async def starting(postgres: Postgres) -> AsyncIterator[Starting]:
    """A server that waits for its model."""
    embedder = HeldEmbedder()
    embedder.may_encode.set()
    app = Application(Settings(port=0, database_url=postgres.new_database()), embedder)
    started = asyncio.create_task(app.start())
    while not app.port:  # noqa: ASYNC110 -- nothing tells when it listens.
        await asyncio.sleep(0.001)
    server = Starting(app, embedder, Caller(f"127.0.0.1:{app.port}"), started)
    yield server
    embedder.may_load.set()
    await started
    await server.call.channel.close()
    await app.stop()


@pytest.mark.parametrize("data", [None, b"\xff"], ids=["good", "malformed"])
async def test_calls_that_come_too_early_are_told_to_come_again(starting: Starting, data: bytes | None):
    for method, good in GOOD.items():
        request = good(NOBODY).SerializeToString() if data is None else data
        refusal = await refused(starting.call.send(method, request, metadata=[("x-request-id", "early")]))
        assert (refusal.code, refusal.reason, refusal.domain) == (StatusCode.UNAVAILABLE, "NOT_READY", "reflexio")
        assert refusal.metadata == {"state": "starting"}
        assert refusal.retry_seconds is not None
        assert 0 < refusal.retry_seconds <= 10
        assert refusal.request_id == "early"


async def test_health_follows_from_start_to_stop(starting: Starting):
    assert await starting.health() == dict.fromkeys(SERVICES, "NOT_SERVING")
    starting.embedder.may_load.set()
    await starting.started
    assert await starting.health() == dict.fromkeys(SERVICES, "SERVING")
    await starting.call("GetServerInfo", GOOD["GetServerInfo"](NOBODY))


async def test_health_tells_those_who_watch(starting: Starting):
    stub = health_pb2_grpc.HealthStub(starting.call.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICES[1]))
    seen = [(await watch.read()).status]
    starting.embedder.may_load.set()
    seen.append((await watch.read()).status)
    assert seen == [health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING]
    watch.cancel()


async def test_a_watcher_that_leaves_takes_nothing_from_another(starting: Starting):
    stub = health_pb2_grpc.HealthStub(starting.call.channel)
    leaving, staying = (stub.Watch(health_pb2.HealthCheckRequest(service="")) for _ in range(2))
    for watch in (staying, leaving):
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    leaving.cancel()
    await stub.Check(health_pb2.HealthCheckRequest())
    starting.embedder.may_load.set()
    assert (await staying.read()).status == health_pb2.HealthCheckResponse.SERVING
    staying.cancel()


async def test_health_does_not_know_what_is_no_service(starting: Starting):
    stub = health_pb2_grpc.HealthStub(starting.call.channel)
    refusal = await refused(stub.Check(health_pb2.HealthCheckRequest(service="reflexio.v1.NoSuchService")))
    assert refusal.code is StatusCode.NOT_FOUND


async def test_calls_in_flight_end_while_the_server_stops_and_new_ones_are_refused(postgres: Postgres):
    embedder = HeldEmbedder()
    embedder.may_load.set()
    app = Application(Settings(port=0, database_url=postgres.new_database()), embedder)
    await app.start()
    caller, late = Caller(f"127.0.0.1:{app.port}"), Caller(f"127.0.0.1:{app.port}")
    await late("WhoAmI", GOOD["WhoAmI"](NOBODY))
    waiting = GOOD["PublishInteractions"](NOBODY)
    waiting.wait_for_response = True
    in_flight = asyncio.ensure_future(caller("PublishInteractions", waiting))
    listing = GOOD["ListInteractions"](NOBODY)
    while not (await caller("ListInteractions", listing)).interactions:  # noqa: ASYNC110 -- only a read shows it.
        await asyncio.sleep(0.005)
    stopping = asyncio.create_task(app.stop())
    refusal = None
    while refusal is None or refusal.code is not StatusCode.UNAVAILABLE:
        try:
            await late("WhoAmI", GOOD["WhoAmI"](NOBODY), timeout=5)
        except Exception:  # noqa: BLE001 -- which one is looked at next.
            refusal = await refused(late("WhoAmI", GOOD["WhoAmI"](NOBODY), timeout=5))
    embedder.may_encode.set()
    assert (await in_flight).result.request_id
    await stopping
    for one in (caller, late):
        await one.channel.close()


async def test_a_server_that_stops_refuses_calls_with_a_reason_before_its_port_closes(postgres: Postgres):
    app = Application(Settings(port=0, database_url=postgres.new_database(), lame_duck_seconds=2), FakeEmbedder())
    await app.start()
    caller, newcomer = Caller(f"127.0.0.1:{app.port}"), Caller(f"127.0.0.1:{app.port}")
    await caller("WhoAmI", GOOD["WhoAmI"](NOBODY))
    stopping = asyncio.create_task(app.stop())
    await asyncio.sleep(0)
    for who in (caller, newcomer):
        refusal = await refused(who("WhoAmI", GOOD["WhoAmI"](NOBODY), timeout=5))
        assert (refusal.code, refusal.reason) == (StatusCode.UNAVAILABLE, "NOT_READY")
        assert refusal.metadata == {"state": "stopping"}
    stub = health_pb2_grpc.HealthStub(newcomer.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    watched = [answer.status async for answer in stub.Watch(health_pb2.HealthCheckRequest())]
    assert watched == [health_pb2.HealthCheckResponse.NOT_SERVING], "nobody's watching holds up the end"
    await stopping
    for who in (caller, newcomer):
        await who.channel.close()
