"""A lock that many may share to read, and one may have alone to write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SharedLock:
    """For the tasks of one event loop. A writer waits for those who read, and whoever comes later waits for it."""

    def __init__(self) -> None:
        self._entrance = asyncio.Lock()
        self._readers = 0
        self._unread = asyncio.Event()
        self._unread.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold it together with others who read."""
        async with self._entrance:
            self._readers += 1
            self._unread.clear()
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers == 0:
                self._unread.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold it alone. Not to be asked for by whoever shares it."""
        async with self._entrance:
            await self._unread.wait()
            yield
