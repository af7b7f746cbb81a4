"""Replicas are replaced one after the other under load, and every call is counted at its client."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import reflexio

from tests.client.shells import opened
from tests.embed.eventually import eventually
from tests.end_to_end.stand.server_process import ServerProcess

CALLERS = 4


@dataclass
class Tally:
    """How the calls of all clients ended."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What was acknowledged and cannot be found."""
    slowest: float = 0.0
    """Seconds that the slowest call took."""

    async def take(self, what: str, call: Awaitable[Any]) -> Any:
        """Make a call and note how it ended. None where it failed."""
        began = time.monotonic()
        try:
            answer = await call
        except reflexio.ReflexioError as error:
            self.failed.append(f"{what}: {type(error).__name__} {error}")
            return None
        self.answered[what] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answer


async def under_load(url: str, tls: reflexio.TlsOptions | None, meanwhile: Callable[[], Awaitable[None]]) -> Tally:
    """Have clients of both kinds call while something is done; look for what they published at the end.

    Args:
        url: An endpoint, as users write it.
        tls: How to speak TLS there.
        meanwhile: What is done.
    """
    tally = Tally()
    enough = threading.Event()
    published: dict[str, list[str]] = {}
    async with opened("async", url, tls=tls) as one, opened("sync", url, tls=tls) as other:
        working = []
        for number in range(2 * CALLERS):
            user = str(uuid4())
            said = published[user] = []
            working.append(asyncio.create_task(_call((one, other)[number % 2], user, said, tally, enough)))
        user = str(uuid4())
        said = published[user] = []
        working.append(asyncio.create_task(asyncio.to_thread(_stream, url, tls, user, said, tally, enough)))
        try:
            await eventually(lambda: asyncio.sleep(0, all(published.values())))
            await meanwhile()
        finally:
            enough.set()
            await asyncio.gather(*working)
        for user, said in published.items():
            found = await one.get_interactions(user, top_k=1000)
            there = Counter(interaction.content for interaction in found.interactions)
            tally.lost += [f"{there[content]} times there: {content}" for content in said[-900:] if there[content] != 1]
    return tally


async def _call(client: Any, user: str, said: list[str], tally: Tally, enough: threading.Event) -> None:
    number = 0
    while not enough.is_set():
        content = f"sentence {number} of {user}"
        number += 1
        if await tally.take("publish", client.publish_interaction(user, [{"content": content}])) is None:
            continue
        said.append(content)
        found = await tally.take("search", client.search_interactions(user_id=user, query=content, top_k=3))
        if found is not None and content not in [one.content for one in found.interactions]:
            tally.lost.append(f"not found: {content}")
        await tally.take("list", client.get_interactions(user, top_k=1))


def _stream(
    url: str, tls: reflexio.TlsOptions | None, user: str, said: list[str], tally: Tally, enough: threading.Event
) -> None:
    """Publish on one stream that lasts as long as everything."""

    def publishes() -> Iterator[dict[str, Any]]:
        while not enough.is_set():
            said.append(f"line {len(said)} of {user}")
            yield {"user_id": user, "session_id": "one", "interactions": [{"content": said[-1]}]}
            time.sleep(0.02)

    try:
        with reflexio.ReflexioClient(url_endpoint=url, tls=tls) as client:
            for result in client.publish_interactions(publishes()):
                if isinstance(result, reflexio.ReflexioError):
                    tally.failed.append(f"stream: {result}")
                else:
                    tally.answered["stream"] += 1
    except reflexio.ReflexioError as error:
        tally.failed.append(f"stream: {type(error).__name__} {error}")


async def replace_all(servers: Sequence[ServerProcess], rounds: int) -> None:
    """Stop each server as an operator would, and start it again, one after the other."""
    for _ in range(rounds):
        for server in servers:
            assert await asyncio.to_thread(server.terminate) == 0
            await asyncio.to_thread(server.start)
