"""Many users within a small index budget: memory stays flat, and what is found stays right."""

import time
from itertools import count
from random import Random

import asyncpg
import numpy as np
import psutil
from reflexio_server.access.caller import LOCAL_CALLER
from reflexio_server.store import vectors

from benchmarks.database import connect, opened, postgres
from benchmarks.filling import blocks_of_vectors, write_history
from benchmarks.partitions import TOP_K, Partitions
from benchmarks.report import table

_MIB = 1024 * 1024
_LINES = 10
_CHECKED_OF = 10
_ORG_ID = LOCAL_CALLER.org_id

_VECTORS = "select interaction_id, vector from vectors where org_id = $1 and user_id = $2"


async def measured(users: int, interactions: int, budget_mib: int, passes: int) -> str:
    """Search one user after the other, several times over; the later passes in any order."""
    names = [f"user {number}" for number in range(users)]
    async with postgres() as url, opened(url) as database:
        connection = await connect(url)
        for name in names:
            await write_history(connection, name, interactions)
        await connection.execute("vacuum analyze")
        queries = next(blocks_of_vectors(100, seed=9)).astype(np.float32)
        partitions = Partitions(database, budget_mib * _MIB)
        cache = partitions.cache
        loads = _Loads()
        chance = Random(4)
        lines, wrong, checked = [], 0, 0
        most = touched = 0
        numbers = count()
        before, started = _resident_mib(), time.perf_counter()
        with loads:
            for turn in range(passes):
                order = names if turn == 0 else chance.choices(names, k=users)
                for place, name in enumerate(order, 1):
                    number = next(numbers)
                    query = queries[number % len(queries)]
                    found = await partitions.nearest(name, query)
                    most = max(most, cache.nbytes)
                    if number % _CHECKED_OF == 0:
                        checked += 1
                        wrong += found != await _brute_force(connection, name, query)
                    if place % max(1, users // _LINES) == 0:
                        touched = max(touched, place) if turn == 0 else users
                        per_search = (time.perf_counter() - started) * 1000 / (number + 1)
                        lines.append(
                            (
                                str(turn + 1),
                                f"{number + 1:,}",
                                f"{touched:,}",
                                f"{_resident_mib() - before:.0f}",
                                f"{cache.nbytes / _MIB:.1f}",
                                str(len(cache)),
                                f"{loads.count:,}",
                                f"{loads.count - len(cache):,}",
                                f"{per_search:.1f}",
                            )
                        )
        cache.close()
        await connection.close()
    head = ("pass", "searches", "users", "RSS grew MiB", "index MiB", "partitions", "loads", "evictions", "ms a search")
    return (
        f"## Memory: {users:,} users of {interactions} interactions, {budget_mib} MiB for the index\n\n"
        + table(head, lines)
        + f"\nThe index took {most / _MIB:.1f} MiB at most. {checked:,} searches were compared with brute force "
        f"over what Postgres had: {wrong} differed.\n"
    )


class _Loads:
    """Counts how often a partition is loaded from nothing."""

    def __init__(self) -> None:
        self.count = 0
        self._changes = vectors.changes

    def __enter__(self) -> None:
        async def counted(*arguments: object, vectors_since: int, **options: object) -> object:
            self.count += vectors_since == 0
            return await self._changes(*arguments, vectors_since=vectors_since, **options)  # type: ignore[arg-type]

        vectors.changes = counted  # type: ignore[assignment]

    def __exit__(self, *_: object) -> None:
        vectors.changes = self._changes


async def _brute_force(connection: asyncpg.Connection, user_id: str, query: np.ndarray) -> list[int]:
    rows = await connection.fetch(_VECTORS, _ORG_ID, user_id)
    held = np.frombuffer(b"".join(row["vector"] for row in rows), "<f2").reshape(len(rows), -1).astype(np.float32)
    best = np.argsort(-(held @ query))[:TOP_K]
    return [rows[place]["interaction_id"] for place in best]


def _resident_mib() -> float:
    return float(psutil.Process().memory_info().rss / _MIB)
