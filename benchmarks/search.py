"""Searching the history of one user: each size of it and each mode, with new questions and with one that is known."""

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import cycle, islice, repeat
from typing import Any

from reflexio.v1 import interaction_service_pb2 as pb
from reflexio_server.search.searcher import SearchMode

from benchmarks import messages
from benchmarks.floors import Connections, connections
from benchmarks.flows import Steps, searching
from benchmarks.report import ECHO, SERVICE, SQL, Row
from benchmarks.stand import Stand
from benchmarks.timing import Contender, in_turns
from benchmarks.workload import CALLERS, Effort, exchanges, questions

_NOTED = 16
"""Of so many questions the SQL is noted; the floor sends it again and again."""

_AT_ONCE = 50
"""Exchanges in one publish while the histories are written."""


async def write_histories(stand: Stand, effort: Effort) -> None:
    """Publish what is searched later, and wait until it is embedded."""
    said = exchanges(2)
    for size in effort.history_sizes:
        user_id = _user(size)
        left = size
        while left:
            batch = [message for exchange in islice(said, _AT_ONCE) for message in exchange][:left]
            await stand.client.publish_interaction(user_id, batch, source=messages.SOURCE)
            left -= len(batch)
    await stand.settle()


async def measured(stand: Stand, effort: Effort) -> AsyncIterator[Row]:
    """A row for each size, mode and number of callers; at the end those with a question that is known."""
    asked = questions(3)
    sizes = effort.history_sizes
    kinds = [(size, mode, asked, "") for size in sizes for mode in ("vector", "fts", "hybrid")]
    kinds.append((sizes[-1], "hybrid", repeat(next(asked)), ", vector cached"))
    async with (
        searching(stand.database_url, stand.dimension, stand.settings) as steps,
        connections(stand.database_url, max(CALLERS)) as direct,
    ):
        for size, mode, texts, remark in kinds:
            noted = await steps(_user(size), list(islice(texts, _NOTED)), SearchMode[mode.upper()])
            contenders = _contenders(stand, direct, noted, _user(size), mode, texts)
            for callers in CALLERS:
                yield Row(f"search {mode}, {size:,}{remark}", callers, await in_turns(contenders, callers, effort))


def _contenders(
    stand: Stand, direct: Connections, noted: Sequence[Steps], user_id: str, mode: str, texts: Iterator[str]
) -> dict[str, Contender[Any]]:
    again = cycle(noted)

    async def asked(calls: int) -> list[str]:
        return list(islice(texts, calls))

    async def requests(calls: int) -> list[pb.SearchInteractionsRequest]:
        return [messages.search_request(user_id, text, mode) for text in islice(texts, calls)]

    async def steps(calls: int) -> list[Steps]:
        return list(islice(again, calls))

    async def search(_caller: int, text: str) -> None:
        await stand.client.search_interactions(user_id=user_id, query=text, search_mode=mode)

    async def echo(_caller: int, request: pb.SearchInteractionsRequest) -> None:
        await stand.echo.SearchInteractions(request)

    return {SERVICE: Contender(asked, search), ECHO: Contender(requests, echo), SQL: Contender(steps, direct.send)}


def _user(size: int) -> str:
    return f"reader of {size}"
