"""Deleting a long session: how long it takes, beside bare SQL, and what everybody else feels meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count

import asyncpg
import psutil
from reflexio import AsyncReflexioClient
from reflexio_server.access.caller import LOCAL_CALLER

from benchmarks import bare_sql
from benchmarks.database import connect, opened, postgres
from benchmarks.filling import write_history
from benchmarks.processes import listening
from benchmarks.report import table
from benchmarks.timing import Sample
from benchmarks.workload import exchanges, questions

_MIB = 1024 * 1024
_ORG_ID = LOCAL_CALLER.org_id
_OWNER = "the one who deletes"
_OTHER = "somebody else"
_IMAGES_PER_HUNDRED = 5
_PER_REQUEST = 10
_PAUSE = 0.05

_LEFT = "select count(*) from interactions where org_id = $1 and session_id = $2"


async def measured(count: int, beside: int, seconds: int) -> str:
    """Delete two sessions through the service and one by bare SQL, in turns, while others go on."""
    async with postgres() as url:
        async with opened(url):
            pass
        connection = await connect(url)
        for session in ("first", "bare", "second"):
            await write_history(
                connection,
                _OWNER,
                count,
                session_id=session,
                images_per_hundred=_IMAGES_PER_HUNDRED,
                per_request=_PER_REQUEST,
            )
        await write_history(connection, _OWNER, beside, session_id="stays")
        await write_history(connection, _OTHER, beside)
        await connection.execute("vacuum analyze")
        flags = ("--port", "0", "--database-url", url, "--log-level", "warning", "--index-memory-mb", "2048")
        async with (
            listening("reflexio_server", "serve", *flags) as address,
            AsyncReflexioClient(url_endpoint=address) as client,
        ):
            server = _server()
            calls = _Calls(client)
            for user_id in (_OWNER, _OTHER):
                await client.search_interactions(user_id=user_id, query="golden kettle")
            await calls.during(asyncio.sleep(seconds))
            quiet = await calls.during(asyncio.sleep(seconds))
            before = server.memory_info().rss
            first, busy = await _deleted(client, calls, "first", count)
            grown = server.memory_info().rss - before
            bare, beside_bare = await _deleted_bare(connection, calls, "bare")
            second, again = await _deleted(client, calls, "second", count)
            for name, samples in again.items():
                busy[name].latencies.extend(samples.latencies)
            left = sum([await connection.fetchval(_LEFT, _ORG_ID, session) for session in ("first", "second")])
        await connection.close()
    lines = [
        (name, *(_figures(samples[name]) for samples in (quiet, busy, beside_bare)), _ratio(busy[name], quiet[name]))
        for name in quiet
    ]
    head = ("others, p50 / p95 / longest ms", "nothing deleted", "beside a delete", "beside bare SQL", "p95 ratio")
    return (
        f"## Deleting a session of {count:,} interactions, {_IMAGES_PER_HUNDRED} in a hundred with an image\n\n"
        f"{first:.2f} s and {second:.2f} s through the service, {bare:.2f} s by bare SQL: "
        f"{(first + second) / 2 / bare:.2f} times as long. "
        f"The server's memory grew by {grown / _MIB:.0f} MiB meanwhile; {left} interactions were left.\n\n"
        + table(head, lines)
    )


async def _deleted(
    client: AsyncReflexioClient, calls: "_Calls", session: str, count: int
) -> tuple[float, dict[str, Sample]]:
    took = 0.0

    async def delete() -> None:
        nonlocal took
        started = time.perf_counter()
        gone = await client.delete_session(session, wait_for_response=True)
        took = time.perf_counter() - started
        if gone.deleted_interactions_count != count:
            message = f"{gone.deleted_interactions_count} of {count} interactions were deleted"
            raise RuntimeError(message)

    samples = await calls.during(delete())
    return took, samples


async def _deleted_bare(
    connection: asyncpg.Connection, calls: "_Calls", session: str
) -> tuple[float, dict[str, Sample]]:
    took = 0.0

    async def delete() -> None:
        nonlocal took
        started = time.perf_counter()
        await bare_sql.delete_session(connection, session)
        took = time.perf_counter() - started

    samples = await calls.during(delete())
    return took, samples


class _Calls:
    """What others do: one caller of each kind, with a short pause after each call."""

    def __init__(self, client: AsyncReflexioClient) -> None:
        self._client = client
        self._said = exchanges(5)
        self._asked = questions(6)
        self._numbers = count()

    async def during(self, work: Awaitable[None]) -> dict[str, Sample]:
        """Call until `work` is done."""
        kinds: dict[str, Callable[[], Awaitable[object]]] = {
            "publish": lambda: self._publish(_OTHER, wait=False),
            "publish and wait": lambda: self._publish(_OTHER, wait=True),
            "search": lambda: self._client.search_interactions(user_id=_OTHER, query=next(self._asked)),
            "publish of the same user": lambda: self._publish(_OWNER, wait=False),
        }
        samples = {name: Sample() for name in kinds}
        done = asyncio.Event()

        async def go_on(name: str) -> None:
            while not done.is_set():
                started = time.perf_counter()
                await kinds[name]()
                samples[name].latencies.append(time.perf_counter() - started)
                await asyncio.sleep(_PAUSE)

        callers = [asyncio.create_task(go_on(name)) for name in kinds]
        try:
            await work
        finally:
            done.set()
            await asyncio.gather(*callers)
        return samples

    async def _publish(self, user_id: str, *, wait: bool) -> None:
        await self._client.publish_interaction(user_id, next(self._said), wait_for_response=wait)


def _figures(sample: Sample) -> str:
    return " / ".join(f"{sample.percentile(percent):.1f}" for percent in (50, 95, 100)) + f" ({len(sample.latencies)})"


def _ratio(sample: Sample, quiet: Sample) -> str:
    return f"{sample.percentile(95) / quiet.percentile(95):.1f}"


def _server() -> psutil.Process:
    """The process of the service, a child of this one."""
    return next(child for child in psutil.Process().children() if "reflexio_server" in child.cmdline())
