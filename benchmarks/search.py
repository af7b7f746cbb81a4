"""Searching the history of one user: each size of it and each mode, with one caller and with several."""

import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from typing import Any

from reflexio.v1 import interaction_service_pb2 as pb

from benchmarks import messages
from benchmarks.database import connect
from benchmarks.filling import write_history
from benchmarks.report import Row, Section, Target, at_least, at_most, slower, throughput
from benchmarks.stand import Service, Stand, Stubs
from benchmarks.timing import Contender, Sample, in_turns
from benchmarks.workload import CALLERS, Effort, callers_text, questions

FLOOR, SERVICE, CLIENT = "floor", "service", "client"

_KNOWN_QUESTION = "What did Marta say about the refund of the kettle?"
"""After the first time its vector is in the service's cache of recent queries."""

_TARGETS = {100: 3, 1_000: 3, 10_000: 4, 100_000: 8}
"""How many times the floor's p50 a hybrid search may take, by the size of the history."""

_WITH_SEVERAL_CALLERS = 1_000
_SMALLEST_HEADLINE = 1_000
_SCALE = (
    f"That {max(CALLERS)} callers scale is taken as at least the throughput of one; what the floor gains tells what "
    "the processors, which the callers share, have left."
)
_COLD_TARGET = 100
_FETCHES = 30
"""Calls of the floor beside each cold search."""


async def write_histories(stand: Stand, effort: Effort) -> None:
    """Write the histories that are searched straight into the service's database."""
    connection = await connect(stand.service.database_url)
    try:
        for size in effort.history_sizes:
            await write_history(connection, user_of(size), size)
        for user_id in _cold_users(effort):
            await write_history(connection, user_id, effort.cold_size)
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


async def section(stand: Stand, effort: Effort) -> Section:
    """Hybrid searches of each size, other modes, several callers, and searches of who was never searched before."""
    rows: list[Row] = []
    by_client: dict[str, float] = {}
    plotted: dict[str, list[tuple[float, float]]] = {FLOOR: [], SERVICE: []}
    for size in effort.history_sizes:
        samples = await in_turns(_contenders(stand, user_of(size)), effort)
        call, target = f"hybrid, {size:,}, vector cached: p50", at_most(_TARGETS[size])
        rows.append(_p50(call, samples, target, headline=size >= _SMALLEST_HEADLINE))
        by_client[f"search, {size}"] = samples[CLIENT].percentile(50)
        for name, line in plotted.items():
            line.append((size, samples[name].percentile(50)))
    rows += await _with_several(stand, effort)
    for size in effort.history_sizes[1:3]:
        for mode in ("vector", "fts"):
            samples = await in_turns(_contenders(stand, user_of(size), mode), effort)
            rows.append(_p50(f"{mode}, {size:,}, vector cached: p50", samples))
    size = _WITH_SEVERAL_CALLERS
    samples = await in_turns(_contenders(stand, user_of(size), new_questions=True), effort)
    rows.append(_p50(f"hybrid, {size:,}, a new question (the model embeds it): p50", samples))
    rows.append(await _cold(stand, effort))
    return Section("Search", rows, notes=[_SCALE], by_client=by_client, plotted=plotted)


def _p50(call: str, samples: dict[str, Sample], target: Target | None = None, *, headline: bool = False) -> Row:
    floor, service, client = (samples[name].percentile(50) for name in (FLOOR, SERVICE, CLIENT))
    return slower(f"search {call}", floor, service, target, client=client, headline=headline)


async def _with_several(stand: Stand, effort: Effort) -> list[Row]:
    user_id, callers = user_of(_WITH_SEVERAL_CALLERS), max(CALLERS)
    alone = _contenders(stand, user_id)
    together = _contenders(stand, user_id, callers=callers)
    samples = await in_turns(
        {"one, floor": alone[FLOOR], "one, service": alone[SERVICE], **together},
        effort,
    )
    speeds = {name: sample.calls_per_second for name, sample in samples.items()}
    what, with_callers = f"search hybrid, {_WITH_SEVERAL_CALLERS:,}, vector cached", callers_text(callers)
    return [
        throughput(f"{what}, {with_callers}: calls a second", speeds[FLOOR], speeds[SERVICE], client=speeds[CLIENT]),
        throughput(f"{what}: {with_callers} against 1, service", speeds["one, service"], speeds[SERVICE], at_least(1)),
        throughput(f"{what}: {with_callers} against 1, floor", speeds["one, floor"], speeds[FLOOR]),
    ]


async def _cold(stand: Stand, effort: Effort) -> Row:
    """Search users whose partitions are not in memory, each once, with fetches of the floor around it."""
    fetches: list[float] = []
    loads: list[float] = []
    await _search(stand, user_of(effort.history_sizes[0]))
    for user_id in _cold_users(effort):
        request = messages.search_request(user_id, _KNOWN_QUESTION, "hybrid")
        for _ in range(_FETCHES):
            started = time.perf_counter()
            await stand.floor.interactions.SearchInteractions(request)
            fetches.append(time.perf_counter() - started)
        started = time.perf_counter()
        await _search(stand, user_id)
        loads.append(time.perf_counter() - started)
    call = f"first search of {effort.cold_size:,}, whose partition is loaded: p50 of {len(loads)} users"
    floor, service = (1000 * statistics.median(seconds) for seconds in (fetches, loads))
    return slower(call, floor, service, at_most(_COLD_TARGET))


async def _search(stand: Stand, user_id: str) -> None:
    request = messages.search_request(user_id, _KNOWN_QUESTION, "hybrid")
    await stand.service.stubs.interactions.SearchInteractions(request)


def _contenders(
    stand: Stand, user_id: str, mode: str = "hybrid", *, callers: int = 1, new_questions: bool = False
) -> dict[str, Contender[Any]]:
    # No two contenders ask the same, or one would profit from what the other had embedded.
    floor, service, client = (questions(seed) if new_questions else repeat(_KNOWN_QUESTION) for seed in (3, 4, 5))
    return {
        FLOOR: by_stubs(stand.floor, user_id, mode, floor, callers),
        SERVICE: by_stubs(stand.service.stubs, user_id, mode, service, callers),
        CLIENT: _by_client(stand.service, user_id, mode, client, callers),
    }


def by_stubs(
    stubs: Stubs, user_id: str, mode: str = "hybrid", texts: Iterator[str] | None = None, callers: int = 1
) -> Contender[pb.SearchInteractionsRequest]:
    """Searches through these stubs: for these texts, or always for the same one."""
    asked = texts if texts is not None else repeat(_KNOWN_QUESTION)

    async def make(calls: int) -> Sequence[pb.SearchInteractionsRequest]:
        return [messages.search_request(user_id, text, mode) for text in islice(asked, calls)]

    async def call(_caller: int, request: pb.SearchInteractionsRequest) -> None:
        await stubs.interactions.SearchInteractions(request)

    return Contender(make, call, callers)


def _by_client(service: Service, user_id: str, mode: str, texts: Iterator[str], callers: int) -> Contender[str]:
    async def make(calls: int) -> Sequence[str]:
        return list(islice(texts, calls))

    async def call(_caller: int, text: str) -> None:
        await service.by_client(callers, "search_interactions", user_id=user_id, query=text, search_mode=mode)

    return Contender(make, call, callers)


def _cold_users(effort: Effort) -> list[str]:
    return [f"cold reader {number}" for number in range(effort.cold_histories)]


def user_of(size: int) -> str:
    """The user whose history has this size."""
    return f"reader of {size}"
