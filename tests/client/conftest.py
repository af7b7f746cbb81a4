"""Clients of both kinds, and a server that misbehaves on demand."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.shells import SHELLS, Shell, opened
from tests.client.wire import WireServer

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=SHELLS)
async def client(request: pytest.FixtureRequest, server: Any) -> AsyncIterator[Shell]:
    """A client of the running server: the blocking one, then the other."""
    async with opened(request.param, server.url) as shell:
        yield shell


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A server that answers as it is told."""
    started = WireServer()
    yield started
    started.stop()


@pytest.fixture(params=SHELLS)
async def wire_client(request: pytest.FixtureRequest, wire: WireServer) -> AsyncIterator[Shell]:
    """A client of `wire`: the blocking one, then the other."""
    async with opened(request.param, wire.url, api_key="key-1", timeout=20) as shell:
        yield shell


@pytest.fixture
def server_process() -> Iterator[str]:
    """The URL of a server in a process of its own, which knows only who everybody is: an administrator."""
    program = (
        "import sys, time\n"
        "from reflexio.v1.server_service_pb2 import WhoAmIResponse\n"
        "from tests.client.wire import WireServer\n"
        "server = WireServer()\n"
        "server.answers['WhoAmI'] = lambda *_: WhoAmIResponse(role=3)\n"
        "print(server.url, flush=True)\n"
        "sys.stdin.read()\n"
        "server.stop()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@pytest.fixture
def run_program() -> Callable[..., str]:
    """Runs a Python program in a process that has no threads yet, and returns what it prints."""

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], timeout=60, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
