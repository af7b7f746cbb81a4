"""Where a call's time goes, step by step: `python -m benchmarks.profile [--quick] [--into FOLDER]`.

One caller makes the same call again and again. What it costs is processor time, so it hardly depends on what else the
machine does; waiting is not in it.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psutil
from reflexio.v1 import request_service_pb2 as pb

from benchmarks import messages
from benchmarks.database import connect, opened, postgres
from benchmarks.document import refresh, require
from benchmarks.filling import write_history
from benchmarks.processes import Program, forget_settings, running
from benchmarks.report import machine, table
from benchmarks.sampled import LAYERS
from benchmarks.stand import Stubs, stubs
from benchmarks.workload import exchanges

_ROOT = Path(__file__).parents[1]

_DOCUMENT, _PLACE = "docs/performance.md", "profile"

_HISTORIES = (1_000, 10_000)
_LISTED = 1_000
_QUESTION = "What did Marta say about the refund of the kettle?"

_PUBLISH = "publish, acknowledged"
_OTHER_THREADS = "other threads of the server: the model, gRPC"
_POSTGRES = "Postgres"
_CALLER = "the caller, with bare stubs"


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of one kind of call."""

    p50: float
    """Milliseconds that the caller waited."""
    steps: Mapping[str, float]
    """Processor milliseconds of each call, by step."""


def main() -> None:
    """Measure, write the table to standard output and into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Show where a call's time goes.")
    parser.add_argument("--quick", action="store_true", help="less of everything; refreshes nothing unless told to")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="refresh docs/performance.md of this folder")
    arguments = parser.parse_args()
    forget_settings()
    into = arguments.into or (None if arguments.quick else _ROOT)
    if into is not None:
        require(into / _DOCUMENT, _PLACE)
    costs = asyncio.run(_measured(0.5 if arguments.quick else 5.0))
    head = ("processor ms a call", *costs)
    lines = [_line(name, [cost.steps.get(name, 0) for cost in costs.values()]) for name in _steps(costs)]
    lines.append(_line("**all of that**", [sum(cost.steps.values()) for cost in costs.values()]))
    lines.append(_line("p50 of a call, by the clock", [cost.p50 for cost in costs.values()]))
    text = f"Measured on {datetime.now(UTC):%Y-%m-%d}, one caller: {machine()}.\n\n{table(head, lines)}"
    print(text)
    if into is not None:
        refresh(into / _DOCUMENT, _PLACE, text)


def _steps(costs: Mapping[str, _Cost]) -> list[str]:
    known = (*LAYERS, _OTHER_THREADS, _POSTGRES, _CALLER)
    return [name for name in known if any(cost.steps.get(name) for cost in costs.values())]


def _line(name: str, values: Sequence[float]) -> tuple[str, ...]:
    return (name, *(f"{value:.2f}" for value in values))


async def _measured(seconds: float) -> dict[str, _Cost]:
    async with postgres() as url:
        async with opened(url):
            pass
        connection = await connect(url)
        for size in _HISTORIES:
            await write_history(connection, f"reader of {size}", size)
        await write_history(connection, "lister", 2 * _LISTED, session_id="listed")
        await connection.execute("vacuum analyze")
        backend = psutil.Process(await connection.fetchval("select pg_backend_pid()"))
        postmaster = psutil.Process(backend.ppid())
        async with running("benchmarks.sampled", url) as server, stubs(server.address) as called:
            calls = {f"search hybrid, {n:,}, vector cached": _search(called, f"reader of {n}") for n in _HISTORIES}
            calls[f"list {_LISTED:,} requests"] = _list(called)
            # Last, because what it published is still being embedded for a while.
            calls[_PUBLISH] = _publish(called)
            costs = {name: await _cost(server, postmaster, call, seconds) for name, call in calls.items()}
            costs = {_PUBLISH: costs.pop(_PUBLISH), **costs}
        await connection.close()
    return costs


def _publish(called: Stubs) -> Callable[[], Awaitable[object]]:
    said, numbers = exchanges(1), count()

    async def call() -> None:
        request = messages.publish_request(f"publisher-{next(numbers) % 50}", next(said), wait=False)
        await called.interactions.PublishInteractions(request)

    return call


def _search(called: Stubs, user_id: str) -> Callable[[], Awaitable[object]]:
    async def call() -> None:
        await called.interactions.SearchInteractions(messages.search_request(user_id, _QUESTION, "hybrid"))

    return call


def _list(called: Stubs) -> Callable[[], Awaitable[object]]:
    async def call() -> None:
        await called.requests.ListRequests(pb.ListRequestsRequest(user_id="lister", page_size=_LISTED))

    return call


async def _cost(
    server: Program, postmaster: psutil.Process, call: Callable[[], Awaitable[object]], seconds: float
) -> _Cost:
    for _ in range(10):
        await call()
    latencies: list[float] = []
    worked, of_postgres = time.process_time(), _seconds_of(postmaster)
    await server.write("begin")
    started = before = time.perf_counter()
    while before < started + seconds:
        await call()
        after = time.perf_counter()
        latencies.append(after - before)
        before = after
    await server.write("end")
    sampled = json.loads(await server.read())
    shares = {
        **sampled["layers"],
        _OTHER_THREADS: sampled["other_threads"],
        _POSTGRES: _seconds_of(postmaster) - of_postgres,
        _CALLER: time.process_time() - worked,
    }
    steps = {name: 1000 * share / len(latencies) for name, share in shares.items()}
    return _Cost(1000 * sorted(latencies)[len(latencies) // 2], steps)


def _seconds_of(postmaster: psutil.Process) -> float:
    """Processor seconds of the processes of a Postgres so far."""
    return sum(sum(process.cpu_times()[:2]) for process in postmaster.children())


if __name__ == "__main__":
    main()
