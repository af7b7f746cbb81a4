"""Servers are replaced by others while calls go on, and no call fails."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.shells import SHELLS, opened
from tests.effort import LONG, only_long

ROOT = Path(__file__).parents[2]
CALLERS = 4

# Answers on a port that others may listen on too; drains when its input ends.
SERVE = """
import sys, time
from concurrent import futures
import grpc
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse
from tests.client.wire import WireServer
class Replaceable(WireServer):
    def start(self):
        self._server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 1)])
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
        self._server.start()
server = Replaceable()
def publish(request, _):
    time.sleep(0.01)
    return PublishInteractionsResponse(message=request.idempotency_key)
server.answers["PublishInteractions"] = publish
print("ready", flush=True)
sys.stdin.read()
server._server.stop(10).wait()
"""


class Process:
    """A server that can be replaced."""

    def __init__(self, port):
        command = [sys.executable, "-c", SERVE, str(port)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ready(self):
        assert self.process.stdout.readline() == "ready\n"
        return self

    def drain(self):
        self.process.stdin.close()
        self.end()

    def kill(self):
        self.process.kill()
        self.process.stdin.close()
        self.end()

    def end(self):
        self.process.wait(30)
        self.process.stdout.close()


def overlapping(old, port):
    new = Process(port).ready()
    old.drain()
    return new


def with_a_gap(old, port):
    old.drain()
    return Process(port).ready()


def after_a_kill(old, port):
    old.kill()
    return Process(port).ready()


async def all_go_on(counts, callers):
    """Return once each caller has had five more answers; raise what any of them raised."""
    before = list(counts)
    async with asyncio.timeout(60):
        while any(now - was < 5 for now, was in zip(counts, before, strict=True)):
            for caller in callers:
                if caller.done():
                    caller.result()
            await asyncio.sleep(0.01)


ALL = [(kind, replace) for kind in SHELLS for replace in (overlapping, with_a_gap, after_a_kill)]
SAMPLE = [("sync", overlapping), ("async", after_a_kill)]


@pytest.mark.parametrize(("kind", "replace"), SAMPLE + only_long(*(case for case in ALL if case not in SAMPLE)))
async def test_no_call_fails_while_a_server_is_replaced(kind, replace):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = await asyncio.to_thread(Process(port).ready)
    enough = asyncio.Event()
    counts = [0] * CALLERS

    async def calls(number, shell):
        while not enough.is_set():
            key = f"{number}-{counts[number]}"
            answer = await shell.publish_interaction("u", [{"content": "x"}], idempotency_key=key)
            assert answer.message == key
            counts[number] += 1

    async with opened(kind, f"http://127.0.0.1:{port}") as shell:
        callers = [asyncio.create_task(calls(number, shell)) for number in range(CALLERS)]
        try:
            # A server that was never there is not waited for; this one was.
            await all_go_on(counts, callers)
            for _ in range(5 if LONG else 1):
                server = await asyncio.to_thread(replace, server, port)
                await all_go_on(counts, callers)
        finally:
            enough.set()
            ended = await asyncio.gather(*callers, return_exceptions=True)
            await asyncio.to_thread(server.kill)
    assert ended == [None] * CALLERS
