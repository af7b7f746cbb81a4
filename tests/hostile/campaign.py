"""Everything that is hostile at once, against a server in a process of its own, while somebody else is served."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import grpc
import reflexio

from tests.end_to_end.stand.server_process import ServerProcess
from tests.hostile.calls import Outcomes, call_at_random
from tests.hostile.footprint import Footprint, at_rest
from tests.hostile.garbage import PREFACE, SETTINGS, RawConnection, talk_nonsense, talk_slowly
from tests.rpc.baseline import publish_baseline
from tests.rpc.wire import Caller

CALLERS = 6
TALKERS = 4


@dataclass
class Report:
    """What became of it."""

    outcomes: Outcomes
    nonsense: int
    """How many connections talked nonsense."""
    served: int
    """How many rounds of calls somebody else made meanwhile, none of which failed."""
    idle_kept: int
    """How many of the idle connections were there to the end."""
    before: Footprint
    """After a first round of the same, with nobody connected."""
    after: Footprint
    log: str

    @property
    def leaked(self) -> list[str]:
        """What grew that should not have."""
        found = []
        if self.after.descriptors > self.before.descriptors + 20:
            found.append("descriptors")
        if self.after.threads > self.before.threads + 16:
            found.append("threads")
        if self.after.memory_mb > self.before.memory_mb * 1.25 + 40:
            found.append("memory")
        return found


async def campaign(folder: Path, *, seconds: float, seed: int, idle: int) -> Report:
    """Attack a server for so long.

    Args:
        folder: For its data and its log.
        seconds: How long, once it has warmed up for a third of that.
        seed: Of everything that is random.
        idle: How many connections do nothing meanwhile.
    """
    flags = ("--data-dir", str(folder / "data"), "--index-memory-mb", "16", "--handshake-seconds", "2")
    server = ServerProcess(folder, "attacked", *flags)
    await asyncio.to_thread(server.start)
    try:
        outcomes = Outcomes()
        await _attack(server, seconds / 3, random.Random(seed), outcomes, idle)
        before = await at_rest(server.process.pid, server.port, own=0)
        nonsense, served, kept = await _attack(server, seconds, random.Random(seed + 1), outcomes, idle)
        after = await at_rest(server.process.pid, server.port, own=0)
        return Report(outcomes, nonsense, served, kept, before, after, server.log)
    finally:
        await asyncio.to_thread(server.end)


async def _attack(
    server: ServerProcess, seconds: float, dice: random.Random, outcomes: Outcomes, idle: int
) -> tuple[int, int, int]:
    caller = Caller(server.target)
    there = await publish_baseline(caller, "attacked")
    await caller.channel.close()
    enough = asyncio.Event()
    # A pool of subchannels of its own, or all of them would share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(server.target, options=options) for _ in range(CALLERS)]
    idlers = [RawConnection(server.port, PREFACE + SETTINGS) for _ in range(idle)]
    async with asyncio.TaskGroup() as group:
        nonsense = [group.create_task(talk_nonsense(server.port, _own(dice), enough)) for _ in range(TALKERS)]
        group.create_task(talk_slowly(server.port, _own(dice), enough))
        for channel in channels:
            group.create_task(call_at_random(channel, _own(dice), there, outcomes, enough))
        served = group.create_task(_be_served(server, enough))
        await asyncio.sleep(seconds)
        enough.set()
    gone = await asyncio.gather(*(idler.closed(0.05) for idler in idlers))
    for idler in idlers:
        idler.close()
    for channel in channels:
        await channel.close()
    return sum(task.result() for task in nonsense), served.result(), idle - sum(gone)


def _own(dice: random.Random) -> random.Random:
    return random.Random(dice.random())


async def _be_served(server: ServerProcess, enough: asyncio.Event) -> int:
    """Do what an application does, and find everything as it should be."""
    count = 0
    async with reflexio.AsyncReflexioClient(url_endpoint=f"http://{server.target}") as client:
        user = str(uuid4())
        while not enough.is_set():
            content = f"number {count} of {user}"
            await client.publish_interaction(user, [{"content": content}])
            [newest] = (await client.get_interactions(user, top_k=1)).interactions
            assert newest.content == content
            found = await client.search_interactions(user_id=user, query=content, top_k=3)
            assert content in [one.content for one in found.interactions]
            count += 1
    return count
