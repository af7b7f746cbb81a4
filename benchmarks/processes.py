"""The programs that are measured, each in a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_SECONDS_TO_START = 120
_SECONDS_TO_END = 30
_ANNOUNCEMENT = "listening on "


@asynccontextmanager
async def listening(module: str, *arguments: str) -> AsyncIterator[str]:
    """Run `python -m MODULE ARGUMENTS` for the length of the block; gives the address that it announces.

    Args:
        module: A program that writes `listening on HOST:PORT` once it can be called, and ends at SIGTERM.
        arguments: Its arguments.

    Raises:
        RuntimeError: It ended instead; standard error says why.
        TimeoutError: It did not announce itself in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, cwd=_ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_SECONDS_TO_START):
            address = await _address(process)
        yield address
    finally:
        await _end(process)


async def _address(process: asyncio.subprocess.Process) -> str:
    announced = b"" if process.stdout is None else await process.stdout.readline()
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
