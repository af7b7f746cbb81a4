"""Start-up does not grow with the data: a whole server on few stored vectors and on very many."""

import statistics
import time

from reflexio import AsyncReflexioClient

from benchmarks.database import connect, new_database, opened, postgres
from benchmarks.filling import write_history
from benchmarks.processes import listening
from benchmarks.report import table

_OF_A_USER = 1000


async def measured(small: int, large: int, starts: int) -> str:
    """Start the service on both databases in turns, and search once."""
    async with postgres() as url:
        urls = {size: await new_database(url, f"of_{size}") for size in (small, large)}
        for size, place in urls.items():
            await _fill(place, size)
        seconds: dict[int, list[float]] = {size: [] for size in urls}
        first: dict[int, list[float]] = {size: [] for size in urls}
        for _ in range(starts):
            for size, place in urls.items():
                started = time.perf_counter()
                flags = ("--port", "0", "--database-url", place, "--log-level", "warning")
                async with listening("reflexio_server", "serve", *flags) as address:
                    seconds[size].append(time.perf_counter() - started)
                    async with AsyncReflexioClient(url_endpoint=address) as client:
                        started = time.perf_counter()
                        await client.search_interactions(user_id="user 0", query="golden kettle", search_mode="vector")
                        first[size].append(time.perf_counter() - started)
    started_in = {size: statistics.median(values) for size, values in seconds.items()}
    lines = [(f"{size:,}", f"{started_in[size]:.2f}", f"{1000 * statistics.median(first[size]):.0f}") for size in urls]
    return (
        "## Start-up\n\n"
        + table(("stored vectors", "start s", "first search ms"), lines)
        + f"\nMedians of {starts}, in turns. {large:,} against {small:,}: {started_in[large] / started_in[small]:.2f} "
        "times as long.\n"
    )


async def _fill(url: str, size: int) -> None:
    async with opened(url):
        connection = await connect(url)
        try:
            for number in range(-(-size // _OF_A_USER)):
                await write_history(connection, f"user {number}", min(_OF_A_USER, size - number * _OF_A_USER))
            await connection.execute("vacuum analyze")
            await connection.execute("checkpoint")
        finally:
            await connection.close()
