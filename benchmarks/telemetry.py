"""What telemetry costs a call: `python -m benchmarks.telemetry [--quick] [--against FOLDER]`.

Servers that tell nobody, Prometheus, or a collector, each with a database of its own in one Postgres, are called in
turns, call by call. Each figure is the median of the ratios of neighbouring calls: a machine's mood lasts longer
than a call.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent import futures
from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from benchmarks import messages
from benchmarks.database import connect, new_database, postgres
from benchmarks.filling import write_history
from benchmarks.stand import Stubs, stubs
from benchmarks.workload import exchanges

_HISTORY = 1_000
_QUESTION = "What did Marta say about the refund of the kettle?"
_SECONDS_TO_START = 120
_OFF = "nobody is told"

_Call = Callable[[Stubs], Awaitable[object]]


class _Sink(grpc.GenericRpcHandler):
    """Takes whatever a server tells a collector, and forgets it unread."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def _kinds(collector: str) -> Mapping[str, tuple[list[str], dict[str, str]]]:
    """What is compared: flags and variables of each."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_METRICS_EXPORTER": "none"}
    tenth = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    return {
        _OFF: ([], {}),
        "nobody is told, once more": ([], {}),
        "metrics": (["--metrics-port", "0"], {}),
        "metrics, and traces of a tenth": (["--metrics-port", "0"], {**told, **tenth}),
        "metrics, and traces of all": (["--metrics-port", "0"], told),
    }


async def _started(
    started: AsyncExitStack, database_url: str, flags: list[str], variables: Mapping[str, str], folder: Path
) -> Stubs:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reflexio_server", "serve", "--port", "0", "--database-url", database_url),
        *("--log-level", "warning", *flags),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(_paths(folder))},
    )
    started.push_async_callback(process.wait)
    started.callback(process.terminate)
    if process.stdout is None:
        raise RuntimeError
    async with asyncio.timeout(_SECONDS_TO_START):
        said = await process.stdout.readline()
    return await started.enter_async_context(stubs(said.decode().strip().removeprefix("listening on ")))


def _paths(folder: Path) -> list[str]:
    """Where Python finds a checkout's code, and what else it found."""
    own = [str(folder / "client" / "python"), str(folder / "server")]
    return [*own, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]


async def _compare(servers: Mapping[str, Stubs], call: _Call, rounds: int) -> dict[str, tuple[float, float]]:
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


async def _measured(rounds: int, against: Path | None) -> None:
    sink = grpc.server(futures.ThreadPoolExecutor(1))
    sink.add_generic_rpc_handlers((_Sink(),))
    collector = f"http://127.0.0.1:{sink.add_insecure_port('127.0.0.1:0')}"
    sink.start()
    here = Path(__file__).parents[1]
    async with AsyncExitStack() as started:
        url = await started.enter_async_context(postgres())
        servers: dict[str, Stubs] = {}
        kinds = {name: (*kind, here) for name, kind in _kinds(collector).items()}
        if against is not None:
            kinds[f"the code of {against}"] = ([], {}, against)
        for number, (name, (flags, variables, folder)) in enumerate(kinds.items()):
            own = await new_database(url, f"telemetry_{number}")
            servers[name] = await _started(started, own, flags, variables, folder)
            connection = await connect(own)
            await write_history(connection, "history", _HISTORY)
            await connection.execute("vacuum analyze")
            await connection.close()
        said = {id(server): exchanges(1) for server in servers.values()}

        def publish(server: Stubs) -> Awaitable[object]:
            request = messages.publish_request("writer", next(said[id(server)]), wait=False)
            return server.interactions.PublishInteractions(request)

        def search(server: Stubs) -> Awaitable[object]:
            return server.interactions.SearchInteractions(messages.search_request("history", _QUESTION, "hybrid"))

        for title, call in (("search", search), ("publish", publish)):
            for name, (p50, ratio) in (await _compare(servers, call, rounds)).items():
                print(f"{title:8} {name:32} p50 {p50:6.2f} ms, {(ratio - 1) * 100:+5.1f} %", flush=True)
    sink.stop(None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs")
    parser.add_argument("--against", type=Path, help="a checkout of other code to compare with, which tells nobody")
    given = parser.parse_args()
    asyncio.run(_measured(20 if given.quick else 1500, given.against))


if __name__ == "__main__":
    main()
