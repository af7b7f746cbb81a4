"""A proxy that breaks connections on command, for TCP and for Unix sockets."""

import asyncio
import contextlib
import threading
from pathlib import Path

Address = int | Path
"""A port of this machine, or a Unix socket."""


class Proxy:
    """Passes bytes on between whoever connects and one server, until told otherwise. Commands come from any thread."""

    def __init__(self, listen: Address, target: Address) -> None:
        self.listen = listen
        """Where to connect to it."""
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._left: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0
        """How often it has broken connections off."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name=f"proxy {listen}")
        self._thread.start()
        started.wait()

    def cut_after(self, size: int) -> None:
        """Let `size` more bytes pass, both ways together, and break off every connection there."""
        self._tell(lambda: setattr(self, "_left", size))

    def cut(self) -> None:
        """Break off every connection now."""
        self._tell(self._cut)

    def freeze(self) -> None:
        """Hold everything back, connections open."""
        self._tell(self._flowing.clear)

    def refuse(self) -> None:
        """Break off every connection, and each new one."""
        self._tell(lambda: (setattr(self, "_refusing", True), self._cut()))

    def calm(self) -> None:
        """Pass everything on again."""
        self._tell(self._calm)

    def close(self) -> None:
        """End it."""
        self._tell(self._loop.stop)
        self._thread.join()

    def _tell(self, command: object) -> None:
        self._loop.call_soon_threadsafe(command)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        started.set()
        self._loop.run_forever()
        self._cut()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def _open(self) -> None:
        if isinstance(self.listen, Path):
            self._server = await asyncio.start_unix_server(self._accepted, self.listen)
        else:
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.listen)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = [writer]
        try:
            if self._refusing:
                return
            self._writers.add(writer)
            there, back = await self._connect()
            ends.append(back)
            self._writers.add(back)
            await asyncio.wait(
                [asyncio.create_task(self._pass_on(reader, back)), asyncio.create_task(self._pass_on(there, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except OSError:
            return
        finally:
            for end in ends:
                self._writers.discard(end)
                end.transport.abort()
            self._tasks.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                allowed = len(data) if self._left is None else min(self._left, len(data))
                if self._left is not None:
                    self._left -= allowed
                writer.write(data[:allowed])
                await writer.drain()
                if allowed < len(data):
                    self._cut()

    def _cut(self) -> None:
        self._left = None
        self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()

    def _calm(self) -> None:
        self._left = None
        self._refusing = False
        self._flowing.set()
