"""Nothing waits for ever: servers that hang, addresses that swallow packets, closing, and the end of the program."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from uuid import UUID

import pytest
import reflexio
from google.rpc.code_pb2 import Code
from reflexio import CallCancelledError, ClientClosedError, DeadlineExceededError, ReflexioError, ServerUnreachableError
from reflexio._calls.call import Call
from reflexio.v1 import data_service_pb2 as pb
from reflexio.v1.interaction_service_pb2 import ListAllInteractionsResponse, ListInteractionsResponse
from reflexio.v1.request_service_pb2 import ListRequestsResponse
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.shells import SHELLS, opened
from tests.client.wire import METHODS, STREAMS, refuse

PAGES = {
    "ListInteractions": ("get_interactions", ("u",), ListInteractionsResponse),
    "ListAllInteractions": ("get_all_interactions", (), ListAllInteractionsResponse),
    "ListRequests": ("get_requests", (), ListRequestsResponse),
}


def bare_call(method):
    """A call of any method, with an empty request."""
    return Call(method, method.request_type(), read=lambda answer: answer)


@contextmanager
def hanging(wire, *names):
    """Has `wire` take calls and never answer them."""
    released = threading.Event()
    for name in names:
        wire.answers[name] = lambda *_: released.wait(30)
    try:
        yield
    finally:
        released.set()


@pytest.mark.parametrize("kind", SHELLS)
async def test_every_plain_call_of_a_server_that_hangs_ends_with_its_deadline(kind, wire):
    async def ask(method):
        async with opened(kind, wire.url, timeout=0.2) as shell:
            with pytest.raises(DeadlineExceededError, match="no answer from"):
                await shell.send(bare_call(method))

    methods = [method for method in METHODS if method.name not in STREAMS]
    with hanging(wire, *(method.name for method in methods)):
        await asyncio.gather(*(ask(method) for method in methods))


RECORD = {"request_id": str(UUID(int=1)), "user_id": "u", "created_at": "2026-03-01T09:30:00Z", "interactions": []}
TRANSFERS = {
    "ExportData": ("export_data", (), pb.ExportDataResponse(request=pb.RequestRecord(request_id="1"))),
    "ImportData": ("import_data", ([RECORD] * 3,), pb.ImportDataResponse(outcome=pb.IMPORT_OUTCOME_IMPORTED)),
}


@pytest.mark.parametrize("kind", SHELLS)
@pytest.mark.parametrize("answered", [0, 2])
@pytest.mark.parametrize("name", TRANSFERS)
async def test_an_export_or_import_ends_when_the_server_falls_silent(kind, answered, name, wire):
    method, arguments, answer = TRANSFERS[name]
    cancelled = threading.Event()

    def fall_silent(_, context):
        context.add_callback(cancelled.set)
        yield from [answer] * answered
        cancelled.wait(30)

    wire.answers[name] = fall_silent
    async with opened(kind, wire.url, timeout=0.3) as shell, asyncio.timeout(20):
        with pytest.raises(DeadlineExceededError, match=r"no answer from .* for 0\.3 seconds"):
            await shell.all_of(method, *arguments)
        assert await asyncio.to_thread(cancelled.wait, 20)
    assert len(wire.requests) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "reflexio silence"]


@pytest.mark.parametrize("kind", SHELLS)
async def test_an_import_whose_end_is_not_answered_is_done_all_the_same(kind, wire):
    method, arguments, answer = TRANSFERS["ImportData"]
    cancelled = threading.Event()

    def end_in_silence(requests, context):
        context.add_callback(cancelled.set)
        yield from (answer for _ in requests)
        cancelled.wait(30)

    wire.answers["ImportData"] = end_in_silence
    async with opened(kind, wire.url, timeout=0.3) as shell, asyncio.timeout(20):
        assert len(await shell.all_of(method, *arguments)) == 3


def test_whoever_takes_records_slowly_may_take_longer_than_the_timeout(wire):
    _, _, answer = TRANSFERS["ExportData"]
    wire.answers["ExportData"] = lambda *_: iter([answer] * 5)
    with reflexio.ReflexioClient(url_endpoint=wire.url, timeout=0.2) as client:
        exported = client.export_data()
        next(exported)
        [watch] = [thread for thread in threading.enumerate() if thread.name == "reflexio silence"]
        watch.join(0.5)
        assert watch.is_alive()
        assert len(list(exported)) == 4


@pytest.mark.parametrize("kind", SHELLS)
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_that_does_not_come_ends_the_list(kind, name, wire):
    method, arguments, page = PAGES[name]
    released = threading.Event()

    def answer(request, _):
        return released.wait(30) if request.page_token else page(next_page_token="next")

    wire.answers[name] = answer
    async with opened(kind, wire.url, timeout=0.3) as shell:
        with pytest.raises(DeadlineExceededError):
            await getattr(shell, method)(*arguments)
    released.set()
    assert len(wire.requests) == 2


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_of_all_calls_only_what_is_unavailable_or_was_cancelled_is_repeated(method, wire):
    for code in (Code.INTERNAL, Code.RESOURCE_EXHAUSTED, Code.ABORTED, Code.UNKNOWN, Code.DEADLINE_EXCEEDED):
        wire.requests.clear()
        wire.answers[method.name] = lambda _, context, code=code: refuse(context, code, "no")
        with (
            reflexio.ReflexioClient(url_endpoint=wire.url, timeout=5) as client,
            pytest.raises(ReflexioError) as caught,
        ):
            client._transport.send(bare_call(method))
        assert (caught.value.status, len(wire.requests)) == (Code.Name(code), 1)


def test_what_a_stopping_server_has_cancelled_is_repeated_under_its_key(wire):
    wire.answers["PublishInteractions"] = lambda _, context: refuse(context, Code.CANCELLED, "stopping")
    with reflexio.ReflexioClient(url_endpoint=wire.url, timeout=0.5) as client, pytest.raises(CallCancelledError):
        client.publish_interaction("u", [{"content": "x"}])

    assert len(wire.requests) > 1
    assert len({request.idempotency_key for request in wire.requests}) == 1
    assert len({metadata["x-request-id"] for metadata in wire.metadata}) == 1


@contextmanager
def swallowing():
    """An address to which packets go and from which none come: a queue of connections that is full."""
    with ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse what does not fit into the queue")
@pytest.mark.parametrize("kind", SHELLS)
async def test_an_address_that_swallows_packets_ends_with_the_timeout(kind):
    with swallowing() as port:
        async with opened(kind, f"127.0.0.1:{port}", timeout=1) as shell:
            async with asyncio.timeout(10):
                with pytest.raises((DeadlineExceededError, ServerUnreachableError)):
                    await shell.whoami()


@pytest.mark.parametrize("kind", SHELLS)
async def test_closing_with_calls_in_flight_ends_them_all(kind, wire):
    arrived = threading.Semaphore(0)
    released = threading.Event()
    wire.answers["WhoAmI"] = lambda *_: arrived.release() or released.wait(30)
    async with opened(kind, wire.url) as shell:
        calls = [asyncio.create_task(shell.whoami()) for _ in range(4)]
        for _ in range(4):
            await asyncio.to_thread(arrived.acquire, timeout=20)
        async with asyncio.timeout(10):
            await shell.close()
            ended = await asyncio.gather(*calls, return_exceptions=True)
    released.set()

    assert [type(error) for error in ended] == [ClientClosedError] * 4


ENDINGS = {
    "an open client": "client.whoami()",
    "an unused client": "",
    "a call in flight in a thread": (
        "threading.Thread(target=hang, daemon=True).start()\nwhile not begun: time.sleep(0.01)\ntime.sleep(0.1)"
    ),
    "an open asynchronous client": "asyncio.run(other.whoami())",
    "an asynchronous call in flight": (
        "async def main():\n"
        "    task = asyncio.create_task(other.server_info())\n"
        "    await asyncio.sleep(0.1)\n"
        "asyncio.run(main())"
    ),
    "an exception": "client.whoami(); asyncio.run(other.whoami()); sys.exit(3)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_at_once_and_quietly_with(ending, wire):
    program = (
        "import asyncio, sys, threading, time, reflexio\n"
        "client = reflexio.ReflexioClient(url_endpoint=sys.argv[1])\n"
        "other = reflexio.AsyncReflexioClient(url_endpoint=sys.argv[1])\n"
        "begun = []\n"
        "def hang():\n"
        "    begun.append(True)\n"
        "    client.server_info()\n"
    )
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    with hanging(wire, "GetServerInfo"):
        began = time.monotonic()
        command = [sys.executable, "-W", "error", "-c", program + ENDINGS[ending], wire.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (3 if ending == "an exception" else 0, "", "")
    assert time.monotonic() - began < 10
