"""One user with very many vectors: loading, searching, recall against brute force, changes."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import asyncpg
import numpy as np
import psutil
from numpy.typing import NDArray
from reflexio_server.access.caller import LOCAL_CALLER
from reflexio_server.domain.ids import InteractionId, UserId
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.store import deletions

from benchmarks.database import connect, opened, postgres
from benchmarks.filling import blocks_of_vectors, write_history
from benchmarks.partitions import TOP_K, Partitions
from benchmarks.report import table

_MIB = 1024 * 1024
_BUDGET = 64 * 1024 * _MIB
_USER = UserId("the large one")
_ORG_ID = LOCAL_CALLER.org_id
_FILTERS = (0.5, 0.1, 0.001)

_ALL = "select interaction_id, vector from vectors where org_id = $1 and user_id = $2"

_SPAN = "select min(created_at), max(created_at) from interactions where org_id = $1 and user_id = $2"


async def measured(count: int, searches: int) -> str:
    """Load, search, delete and add, and compare each answer with numpy over all rows."""
    queries = next(blocks_of_vectors(searches, seed=11)).astype(np.float32)
    lines: list[tuple[str, str]] = []
    async with postgres() as url, opened(url) as database:
        connection = await connect(url)
        await write_history(connection, _USER, count)
        await connection.execute("vacuum analyze")
        partitions = Partitions(database, _BUDGET)
        cache = partitions.cache

        async def search(query: NDArray[np.float32], where: InteractionFilter) -> list[int]:
            return await partitions.nearest(_USER, query, where)

        anything = InteractionFilter()
        before = psutil.Process().memory_info().rss
        worked = time.process_time()
        with _HeldLoop() as held:
            loaded = await _seconds(lambda: search(queries[0], anything))
            await held.end()
        lines += [
            ("load s", f"{loaded:.1f}"),
            ("of that, processor s of this process", f"{time.process_time() - worked:.1f}"),
            ("event loop held at most while loading, ms of its thread's time", f"{1000 * held.longest:.1f}"),
            ("RSS grew MiB", f"{(psutil.Process().memory_info().rss - before) / _MIB:.0f}"),
            ("index MiB", f"{cache.nbytes / _MIB:.0f}"),
        ]
        lines += await _searched("search", queries, anything, search)
        oldest, newest = (await connection.fetchrow(_SPAN, _ORG_ID, _USER)).values()
        for share in _FILTERS:
            where = InteractionFilter(start_time=int(newest - share * (newest - oldest)))
            lines += await _searched(f"search among {100 * share:g} %", queries[:10], where, search)
        answers = [await search(query, anything) for query in queries]
        found = await _recall(connection, queries, answers)
        lines.append((f"recall@{TOP_K} against brute force", f"{found:.4f}"))
        best = InteractionId(answers[0][0])
        lines.append(
            (
                "delete one, ms",
                _ms(await _seconds(lambda: deletions.delete_interaction(database, _ORG_ID, _USER, best))),
            )
        )
        lines.append(("the search after it, ms", _ms(await _seconds(lambda: search(queries[0], anything)))))
        gone = best not in await search(queries[0], anything)
        lines.append(("what was deleted is gone", "yes" if gone else "NO"))
        await write_history(connection, _USER, 1)
        lines.append(("the search after one more came, ms", _ms(await _seconds(lambda: search(queries[0], anything)))))
        cache.close()
        await connection.close()
    return f"## One user with {count:,} vectors\n\n" + table(("measured", "value"), lines)


async def _searched(
    name: str,
    queries: NDArray[np.float32],
    where: InteractionFilter,
    search: Callable[[NDArray[np.float32], InteractionFilter], Awaitable[object]],
) -> list[tuple[str, str]]:
    worked = time.process_time()
    took = sorted([await _seconds(lambda query=query: search(query, where)) for query in queries])
    worked = (time.process_time() - worked) / len(took)
    figures = (statistics.median(took), took[int(0.95 * (len(took) - 1))], worked)
    return [(f"{name}, p50 / p95 / processor ms", " / ".join(map(_ms, figures)))]


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"


async def _recall(connection: asyncpg.Connection, queries: NDArray[np.float32], answers: list[list[int]]) -> float:
    """The share of the truly best that was found, by numpy over the rows that Postgres sends."""
    scores: list[NDArray[np.float32]] = []
    ids: list[int] = []
    async with connection.transaction():
        cursor = await connection.cursor(_ALL, _ORG_ID, _USER)
        while rows := await cursor.fetch(20_000):
            ids += [row["interaction_id"] for row in rows]
            held = np.frombuffer(b"".join(row["vector"] for row in rows), "<f2").reshape(len(rows), -1)
            scores.append(queries @ held.astype(np.float32).T)
    by_query = np.concatenate(scores, axis=1)
    best = np.argpartition(-by_query, TOP_K, axis=1)[:, :TOP_K]
    hits = sum(
        len({ids[place] for place in places} & set(answer)) for places, answer in zip(best, answers, strict=True)
    )
    return hits / best.size


class _HeldLoop:
    """Finds out how long the event loop's thread worked at a stretch, which others' moods do not change."""

    def __init__(self) -> None:
        self.longest = 0.0

    def __enter__(self) -> "_HeldLoop":
        self._looking = asyncio.create_task(self._look())
        return self

    def __exit__(self, *_: object) -> None:
        self._looking.cancel()

    async def end(self) -> None:
        """Look no more."""
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.thread_time() - before)
