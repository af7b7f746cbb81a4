"""What a server process holds: memory, descriptors, threads."""

import asyncio
import gc
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Footprint:
    """At one moment."""

    memory_mb: float
    descriptors: int
    threads: int

    def __str__(self) -> str:
        return f"{self.memory_mb:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads"


def footprint_of(pid: int) -> Footprint:
    """Of a process, now."""
    process = psutil.Process(pid)
    return Footprint(process.memory_info().rss / 2**20, process.num_fds(), process.num_threads())


async def at_rest(pid: int, port: int, *, own: int, seconds: float = 60) -> Footprint:
    """The footprint once at most `own` connections to the port are left, and the number of descriptors has settled.

    Raises:
        AssertionError: Connections are left.
    """
    deadline = time.monotonic() + seconds
    lowest = footprint_of(pid)
    while (left := _connections(pid, port)) > own:
        # Calls of grpc.aio that were given up are in cycles, and hold their connections.
        gc.collect()
        assert time.monotonic() < deadline, f"{left} connections are left of those that were closed"
        await asyncio.sleep(0.1)
    # What belonged to them is let go in the background.
    for _ in range(10):
        await asyncio.sleep(0.1)
        now = footprint_of(pid)
        lowest = Footprint(
            min(lowest.memory_mb, now.memory_mb),
            min(lowest.descriptors, now.descriptors),
            min(lowest.threads, now.threads),
        )
    return lowest


def _connections(pid: int, port: int) -> int:
    found = psutil.Process(pid).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in found)
