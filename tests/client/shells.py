"""Both clients behind one face, so that each case is written once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import reflexio

SHELLS = ("sync", "async")


class Shell:
    """A client whose methods are awaited, whichever it is. The blocking one runs in a thread beside the loop."""

    def __init__(self, client: reflexio.ReflexioClient | reflexio.AsyncReflexioClient) -> None:
        self.client = client

    async def send(self, call: Any) -> Any:
        """Make a call that no method makes."""
        sent = self.client._transport.send
        return (
            await sent(call)
            if isinstance(self.client, reflexio.AsyncReflexioClient)
            else await asyncio.to_thread(sent, call)
        )

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if isinstance(self.client, reflexio.AsyncReflexioClient):
            return method

        async def in_a_thread(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return in_a_thread

    async def all_of(self, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Everything that an iterating method gives."""
        method = getattr(self.client, name)
        if isinstance(self.client, reflexio.AsyncReflexioClient):
            return [item async for item in method(*args, **kwargs)]
        return await asyncio.to_thread(lambda: list(method(*args, **kwargs)))


@asynccontextmanager
async def opened(kind: str, url: str, **options: Any) -> AsyncIterator[Shell]:
    """A client of one kind, closed at the end."""
    client_class = reflexio.ReflexioClient if kind == "sync" else reflexio.AsyncReflexioClient
    shell = Shell(client_class(url_endpoint=url, **options))
    yield shell
    await shell.close()
