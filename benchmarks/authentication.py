"""What asking for keys costs a call: `python -m benchmarks.authentication [--quick]`.

Servers with and without `--auth api-key`, each with a database of its own in one Postgres, are called in turns, call
by call. Each figure is the median of the ratios of neighbouring calls: a machine's mood lasts longer than a call.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
from reflexio import AsyncReflexioClient
from reflexio.v1 import interaction_service_pb2_grpc, server_service_pb2, server_service_pb2_grpc

from benchmarks import messages
from benchmarks.database import new_database, postgres
from benchmarks.processes import forget_settings, listening
from benchmarks.workload import exchanges

_EMAIL = "bench@example.com"
_PASSWORD = "correct horse battery"
_KINDS = {"none": "none", "none, once more": "none", "api-key": "api-key"}


@dataclass(frozen=True, slots=True)
class _Server:
    """A server, and the metadata that it wants."""

    channel: grpc.aio.Channel
    metadata: Sequence[tuple[str, str]]


_Call = Callable[[_Server], Awaitable[Any]]


async def _key(database_url: str, address: str) -> str:
    """A key for a server's database, as an operator gets one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reflexio_server", "admin", "create", _EMAIL, "--password-stdin"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "REFLEXIO_DATABASE_URL": database_url},
    )
    await process.communicate(_PASSWORD.encode())
    async with AsyncReflexioClient(url_endpoint=address) as client:
        return (await client.login(_EMAIL, _PASSWORD)).api_key


async def _compare(servers: Mapping[str, _Server], call: _Call, rounds: int) -> dict[str, tuple[float, float]]:
    """For each server the p50 in milliseconds, and the median of its ratios to the first one."""
    seconds: dict[str, list[float]] = {name: [] for name in servers}
    names = list(servers)
    for number in range(-rounds // 10, rounds):
        # Each goes first in turn: what is embedded after one call is in the way of the next.
        shift = number % len(names)
        for name in (*names[shift:], *names[:shift]):
            began = time.perf_counter()
            await call(servers[name])
            if number >= 0:
                seconds[name].append(time.perf_counter() - began)
    first = seconds[names[0]]
    return {
        name: (
            statistics.median(taken) * 1000,
            statistics.median(mine / other for mine, other in zip(taken, first, strict=True)),
        )
        for name, taken in seconds.items()
    }


async def _measured(rounds: int) -> None:
    async with AsyncExitStack() as started:
        url = await started.enter_async_context(postgres())
        servers: dict[str, _Server] = {}
        for number, (name, auth) in enumerate(_KINDS.items()):
            own = await new_database(url, f"authentication_{number}")
            flags = ("--port", "0", "--database-url", own, "--log-level", "warning", "--auth", auth)
            address = await started.enter_async_context(listening("reflexio_server", "serve", *flags))
            channel = await started.enter_async_context(grpc.aio.insecure_channel(address))
            key = await _key(own, address)
            servers[name] = _Server(channel, [("authorization", f"Bearer {key}")])
        said = {id(server): exchanges(1) for server in servers.values()}

        def publish(server: _Server) -> Awaitable[Any]:
            stub = interaction_service_pb2_grpc.InteractionServiceStub(server.channel)
            request = messages.publish_request("writer", next(said[id(server)]), wait=False)
            return stub.PublishInteractions(request, metadata=server.metadata)

        def who_am_i(server: _Server) -> Awaitable[Any]:
            stub = server_service_pb2_grpc.ServerServiceStub(server.channel)
            return stub.WhoAmI(server_service_pb2.WhoAmIRequest(), metadata=server.metadata)

        for title, call in (("publish", publish), ("whoami", who_am_i)):
            for name, (p50, ratio) in (await _compare(servers, call, rounds)).items():
                print(f"{title:8} --auth {name:16} p50 {p50:6.2f} ms, {(ratio - 1) * 100:+6.1f} %", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.authentication", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs")
    given = parser.parse_args()
    forget_settings()
    asyncio.run(_measured(20 if given.quick else 1500))


if __name__ == "__main__":
    main()
