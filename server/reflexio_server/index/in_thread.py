"""Work in a thread that is waited for to its end, whatever becomes of who waits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


async def in_thread(executor: Executor, work: Callable[[], T]) -> T:
    """Do `work` in a thread of `executor`. Cancelled, it goes on to its end: what it uses stays locked."""
    future = asyncio.get_running_loop().run_in_executor(executor, work)
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return future.result()
