"""How both clients behave when the way to the server is bad: retries, restarts, forks, threads, loops, closing."""

import asyncio
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from reflexio import (
    AsyncReflexioClient,
    ClientClosedError,
    DatabaseUnavailableError,
    NotReadyError,
    ReflexioClient,
    ServerUnreachableError,
    errors,
)
from reflexio._transport.attempts import RESTART_SECONDS, Attempts
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.shells import SHELLS, opened
from tests.client.wire import refuse


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def failing(times, good, *refusal):
    """An answer that is a refusal so many times, then good."""
    left = [times]

    def answer(request, context):
        left[0] -= 1
        if left[0] >= 0:
            refuse(context, *refusal)
        return good

    return answer


async def test_every_call_has_an_id_and_the_key_of_the_caller(wire, wire_client):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(organization_id=1, organization_name="o", role=3)
    for _ in range(2):
        me = await wire_client.whoami()
    first, second = wire.metadata

    assert (me.organization_id, me.organization_name, me.role) == (1, "o", "admin")
    assert UUID(first["x-request-id"]) != UUID(second["x-request-id"])
    assert first["authorization"] == "Bearer key-1"
    assert first["user-agent"].startswith("reflexio-python/")


async def test_without_a_key_none_is_sent(wire):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    for kind in SHELLS:
        async with opened(kind, wire.url) as shell:
            await shell.whoami()
    assert not any("authorization" in metadata for metadata in wire.metadata)


async def test_what_is_unavailable_for_a_moment_is_tried_again_as_the_same_publish(wire, wire_client):
    wire.answers["PublishInteractions"] = failing(
        3, PublishInteractionsResponse(message="stored"), Code.UNAVAILABLE, "busy"
    )
    response = await wire_client.publish_interaction("u", [{"content": "hello"}])

    assert response.message == "stored"
    assert len(wire.requests) == 4
    assert len({request.idempotency_key for request in wire.requests}) == 1
    assert len({metadata["x-request-id"] for metadata in wire.metadata}) == 1


async def test_a_publish_larger_than_usual_buffers_is_tried_again_too(wire, wire_client):
    wire.answers["PublishInteractions"] = failing(2, PublishInteractionsResponse(), Code.UNAVAILABLE, "busy")
    await wire_client.publish_interaction("u", [{"content": "x" * 200_000} for _ in range(10)])

    assert len(wire.requests) == 3


async def test_a_server_that_is_starting_is_waited_for_as_long_as_it_says(wire, wire_client):
    details = (
        ErrorInfo(reason="ERROR_REASON_NOT_READY", domain="reflexio"),
        RetryInfo(retry_delay=Duration(nanos=300_000_000)),
    )
    wire.answers["WhoAmI"] = failing(6, WhoAmIResponse(role=1), Code.UNAVAILABLE, "starting", *details)

    assert (await wire_client.whoami()).role == "reader"
    assert len(wire.requests) == 7


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.RESOURCE_EXHAUSTED, Code.ABORTED, Code.UNKNOWN])
async def test_nothing_else_is_tried_again(wire, wire_client, code):
    wire.answers["WhoAmI"] = lambda _, context: refuse(context, code, "no")
    with pytest.raises(errors.ReflexioError):
        await wire_client.whoami()

    assert len(wire.requests) == 1


async def test_a_restart_of_the_server_is_not_noticed(wire, wire_client):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=2)
    await wire_client.whoami()
    wire.stop()
    down_for = threading.Timer(3, wire.start)
    down_for.start()
    began = time.monotonic()

    assert (await wire_client.whoami()).role == "member"
    down_for.join()
    assert 2.9 < time.monotonic() - began < 8


@pytest.mark.parametrize("kind", SHELLS)
async def test_a_wrong_endpoint_is_told_soon_with_what_to_check(kind, free_port):
    url = f"http://localhost:{free_port}"
    began = time.monotonic()
    async with opened(kind, url) as shell:
        with pytest.raises(ServerUnreachableError) as caught:
            await shell.publish_interaction("u", [{"content": "hello"}])

    assert time.monotonic() - began < 5
    text = str(caught.value)
    assert [
        part for part in (url, "reflexio serve", "port", "https://", "the argument url_endpoint") if part not in text
    ] == []
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.reason == "UNAVAILABLE"


async def test_something_that_does_not_speak_grpc_is_told_within_seconds():
    async def ask(kind, port):
        async with opened(kind, f"127.0.0.1:{port}") as shell:
            with pytest.raises(ServerUnreachableError):
                await shell.whoami()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        await asyncio.gather(*(ask(kind, silent.getsockname()[1]) for kind in SHELLS))
    assert time.monotonic() - began < 9


@pytest.mark.parametrize("kind", SHELLS)
async def test_localhost_is_found_where_the_server_listens_on_127_0_0_1_and_past_a_proxy(kind, wire, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=3)
    async with opened(kind, f"http://localhost:{wire.port}/") as shell:
        assert (await shell.whoami()).role == "admin"


@pytest.mark.parametrize("kind", SHELLS)
async def test_of_several_addresses_those_that_answer_are_used(kind, wire, free_port):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=3)
    async with opened(kind, f"ipv4:127.0.0.1:{free_port},127.0.0.1:{wire.port}") as shell:
        assert [(await shell.whoami()).role for _ in range(3)] == ["admin"] * 3


async def test_a_closed_client_says_so(wire_client):
    await wire_client.close()
    await wire_client.close()

    with pytest.raises(ClientClosedError):
        await wire_client.whoami()


async def test_closing_during_a_call_is_told_from_a_cancelled_task(wire, wire_client):
    arrived, released = threading.Event(), threading.Event()
    wire.answers["WhoAmI"] = lambda *_: arrived.set() or (released.wait(20) and WhoAmIResponse())
    call = asyncio.create_task(wire_client.whoami())
    await asyncio.to_thread(arrived.wait, 20)
    await wire_client.close()

    with pytest.raises(ClientClosedError, match="during the call"):
        await call
    released.set()


async def test_cancelling_a_task_cancels_its_call(wire):
    arrived, released = threading.Event(), threading.Event()
    wire.answers["WhoAmI"] = lambda *_: arrived.set() or (released.wait(20) and WhoAmIResponse())
    async with AsyncReflexioClient(url_endpoint=wire.url) as client:
        call = asyncio.create_task(client.whoami())
        await asyncio.to_thread(arrived.wait, 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    released.set()


def test_one_client_serves_many_threads_over_one_channel(wire):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=3)
    with ReflexioClient(url_endpoint=wire.url) as client, ThreadPoolExecutor(16) as threads:
        roles = list(threads.map(lambda _: client.whoami().role, range(200)))

    assert roles == ["admin"] * 200


def test_one_asynchronous_client_serves_one_loop_after_another(wire):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=3)
    client = AsyncReflexioClient(url_endpoint=wire.url)

    async def role():
        return (await client.whoami()).role

    assert run_in_threads(role, 5, parallel=False) == ["admin"] * 5


def test_one_asynchronous_client_serves_loops_of_several_threads(wire):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=3)
    client = AsyncReflexioClient(url_endpoint=wire.url)

    async def roles():
        return [(await client.whoami()).role for _ in range(20)]

    assert run_in_threads(roles, 4, parallel=True) == [["admin"] * 20] * 4


def run_in_threads(make, times, *, parallel):
    with ThreadPoolExecutor(times if parallel else 1) as threads:
        return list(threads.map(lambda _: asyncio.run(make()), range(times)))


def test_attempts_end_with_the_timeout_or_the_time_of_a_restart():
    now = [0.0]
    unreachable = ServerUnreachableError("gone")

    def spent(timeout, error, **known):
        now[0] = 0.0
        attempts = Attempts(timeout, clock=lambda: now[0])
        while (pause := attempts.pause_after(error, **known)) is not None:
            now[0] += pause
        return now[0]

    assert spent(100, unreachable, answered_before=False) == 0
    assert RESTART_SECONDS - 2 < spent(100, unreachable, answered_before=True) < RESTART_SECONDS
    assert 1 < spent(3, unreachable, answered_before=True) < 3
    assert spent(100, NotReadyError("starting"), answered_before=False) > 10
    assert spent(100, errors.InternalError("x"), answered_before=True) == 0
    patient = DatabaseUnavailableError("x")
    patient.retry_after = 20.0
    assert spent(100, patient, answered_before=True) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kind", SHELLS)
def test_a_forked_child_has_a_connection_of_its_own_and_leaves_the_parents_alone(kind, server_process, run_program):
    run_program(FORK[kind], server_process)


FORK = {
    "sync": """
import os, sys, warnings, reflexio
warnings.simplefilter("ignore", DeprecationWarning)
client = reflexio.ReflexioClient(url_endpoint=sys.argv[1], timeout=10)
assert client.whoami().role == "admin"
for _ in range(3):
    child = os.fork()
    if child == 0:
        try:
            good = client.whoami().role == "admin"
            client.close()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            good = False
        os._exit(0 if good else 7)
    assert os.waitpid(child, 0)[1] == 0
    assert client.whoami().role == "admin"
""",
    "async": """
import asyncio, os, sys, warnings, reflexio
warnings.simplefilter("ignore", DeprecationWarning)
client = reflexio.AsyncReflexioClient(url_endpoint=sys.argv[1], timeout=10)
async def role():
    return (await client.whoami()).role
assert asyncio.run(role()) == "admin"
child = os.fork()
if child == 0:
    try:
        good = asyncio.run(role()) == "admin"
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        good = False
    os._exit(0 if good else 7)
assert os.waitpid(child, 0)[1] == 0
assert asyncio.run(role()) == "admin"
""",
}
