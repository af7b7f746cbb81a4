"""Work that waits for a lock for as long as a test wants it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from reflexio_server.store.database import Database
from sqlalchemy import text

_BLOCKED = text("""
    select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and pid = any(
        select pid from pg_locks where not granted)
""")


async def somebody_waits(database: Database, task: asyncio.Future, count: int = 1) -> None:
    """Return when so many wait for a lock; `task` is who should."""
    async with database.autocommit(None) as observer:
        while (await observer.execute(_BLOCKED)).scalar_one() < count:
            assert not task.done(), "it was to wait"
            await asyncio.sleep(0.005)


@asynccontextmanager
async def held_up(database: Database, lock: str, values: dict, work: Callable[[], Awaitable]) -> AsyncIterator[None]:
    """For the length of the block `work` is under way and waits for the rows that the query `lock` holds."""
    async with database.transaction(values.get("org_id")) as holder:
        await holder.execute(text(lock), values)
        task = asyncio.ensure_future(work())
        await somebody_waits(database, task)
        yield
        await holder.rollback()
    await task
