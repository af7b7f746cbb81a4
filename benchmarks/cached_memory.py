"""What a cached interaction costs in memory: `python -m benchmarks.cached_memory URL WARM_UP_USER USER`.

It loads the partitions of both users of the database at URL in a process of its own and writes to standard output, as
JSON, by how many bytes the second one made the index and the resident memory grow.
"""

import asyncio
import gc
import json
import sys

import numpy as np
import psutil
from reflexio_server.settings import Settings
from reflexio_server.store.database import Database

from benchmarks.filling import DIMENSION, blocks_of_vectors
from benchmarks.partitions import Partitions
from benchmarks.report import Row, Section, at_most
from benchmarks.search import user_of
from benchmarks.stand import Stand
from benchmarks.workload import Effort

_VECTOR_BYTES = 2 * DIMENSION
_NEAR = 1.5
_BUDGET = 64 * 1024**3


async def section(stand: Stand, effort: Effort) -> Section:
    """Memory for each cached interaction beside the size of its vector."""
    small, large = user_of(effort.history_sizes[0]), user_of(effort.history_sizes[-1])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.cached_memory",
        stand.service.database_url,
        small,
        large,
        stdout=asyncio.subprocess.PIPE,
    )
    written, _ = await process.communicate()
    if process.returncode:
        message = f"the measuring of memory ended with {process.returncode}"
        raise RuntimeError(message)
    size = effort.history_sizes[-1]
    rows = [
        Row(
            f"{what}, for each of {size:,} cached interactions",
            "B",
            _VECTOR_BYTES,
            grown / size,
            grown / size / _VECTOR_BYTES,
            at_most(_NEAR),
        )
        for what, grown in json.loads(written).items()
    ]
    return Section(
        "Memory",
        rows,
        ("memory", "its vector", "measured", "ratio", "target", "met"),
        notes=[f'"Near the vectors\' own size" is taken as at most {_NEAR:g} times it.'],
    )


async def _grown(url: str, warm_up_user: str, user: str) -> dict[str, int]:
    settings, process = Settings(), psutil.Process()
    database = Database(pool_size=2, statement_cache_size=settings.database_statement_cache_size)
    database.open(url)
    query = next(blocks_of_vectors(1, seed=3))[0].astype(np.float32)
    try:
        partitions = Partitions(database, _BUDGET)
        cache = partitions.cache
        await partitions.nearest(warm_up_user, query)
        gc.collect()
        resident, held = process.memory_info().rss, cache.nbytes
        await partitions.nearest(user, query)
        gc.collect()
        grown = {
            "the index's own count": cache.nbytes - held,
            "resident memory": process.memory_info().rss - resident,
        }
        cache.close()
    finally:
        await database.close()
    return grown


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_grown(*sys.argv[1:]))))
