"""The programs that are measured, each in a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_SECONDS_TO_START = 120
_SECONDS_TO_END = 30
_ANNOUNCEMENT = "listening on "


def forget_settings() -> None:
    """An operator's settings must not decide what is measured."""
    for name in [name for name in os.environ if name.startswith("REFLEXIO_")]:
        del os.environ[name]


@dataclass(frozen=True, slots=True)
class Program:
    """A program that runs, and a line for lines in both directions."""

    address: str
    """HOST:PORT."""
    written: asyncio.StreamWriter
    announced: asyncio.StreamReader

    async def write(self, line: str) -> None:
        """Send a line to its standard input."""
        self.written.write(f"{line}\n".encode())
        await self.written.drain()

    async def read(self) -> str:
        """The next line of its standard output."""
        return (await self.announced.readline()).decode()


@asynccontextmanager
async def listening(module: str, *arguments: str) -> AsyncIterator[str]:
    """As `running`, for who needs its address only."""
    async with running(module, *arguments) as program:
        yield program.address


@asynccontextmanager
async def running(module: str, *arguments: str) -> AsyncIterator[Program]:
    """Run `python -m MODULE ARGUMENTS` for the length of the block.

    Args:
        module: A program that writes `listening on HOST:PORT` once it can be called, and ends at SIGTERM.
        arguments: Its arguments.

    Raises:
        RuntimeError: It ended instead; standard error says why.
        TimeoutError: It did not announce itself in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        written, announced = process.stdin, process.stdout
        if written is None or announced is None:
            message = "a program was started without pipes"
            raise RuntimeError(message)
        async with asyncio.timeout(_SECONDS_TO_START):
            address = _address(await announced.readline())
        yield Program(address, written, announced)
    finally:
        await _end(process)


def _address(announced: bytes) -> str:
    if not announced.startswith(_ANNOUNCEMENT.encode()):
        message = "a program under test ended before it could be called"
        raise RuntimeError(message)
    return announced.decode().strip().removeprefix(_ANNOUNCEMENT)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_SECONDS_TO_END):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
