"""Everything that is hostile at once, against a server in a process of its own, while somebody else is served."""

import asyncio
import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import grpc
import reflexio
from reflexio import TlsOptions
from reflexio_server.access.caller import AccessRole
from reflexio_server.store.attached import attached

from tests.certificates import Authority, Files
from tests.end_to_end.stand.server_process import ServerProcess
from tests.hostile.calls import Outcomes, call_at_random
from tests.hostile.footprint import Footprint, at_rest
from tests.hostile.garbage import PREFACE, SETTINGS, RawConnection, talk_nonsense, talk_slowly, talk_through_tls
from tests.identity.tenants import make_tenant
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


class _Attacked:
    """A server under attack, and how its callers reach it."""

    def __init__(self, folder: Path, *, tls: bool, keys: bool) -> None:
        flags = ["--data-dir", str(folder / "data"), "--index-memory-mb", "16", "--handshake-seconds", "2"]
        self.tls: TlsOptions | None = None
        self.context: ssl.SSLContext | None = None
        if tls:
            self._authority = Authority("ours")
            self._files = Files(folder / "tls")
            self.renew()
            flags += ["--tls-cert", str(self._files.cert), "--tls-key", str(self._files.key)]
            self.tls = TlsOptions(ca_cert=self._files.ca)
            self.context = ssl.create_default_context(cafile=str(self._files.ca))
            self.context.set_alpn_protocols(["h2"])
        if keys:
            flags += ["--auth", "api-key"]
        self._asks_for_keys = keys
        self._data = folder / "data"
        self.keys: Sequence[str] = ()
        """Those that attackers have: of one organisation, of each role."""
        self.key_of_others = ""
        """That of somebody else, who is served meanwhile."""
        self.process = ServerProcess(folder, "attacked", *flags)

    async def start(self) -> None:
        """Start it."""
        await asyncio.to_thread(self.process.start)

    async def make_keys(self) -> None:
        """Make what keys it asks for: new ones, since attackers may have revoked theirs."""
        if not self._asks_for_keys:
            return
        async with attached(None, self._data) as database:
            # Keys of small numbers are the first that are revoked by chance.
            theirs, others = [await make_tenant(database) for _ in range(6)][-2:]
        self.keys = list(theirs.keys.values())
        self.key_of_others = others.keys[AccessRole.MEMBER]

    @property
    def url(self) -> str:
        """Where it is, as users write it."""
        return f"{'https' if self.tls is not None else 'http'}://{self.process.target}"

    @property
    def metadata(self) -> Sequence[tuple[str, str]]:
        """What an administrator of the attackers sends with a call."""
        return [("authorization", f"Bearer {self.keys[-1]}")] if self.keys else []

    def channel(self) -> grpc.aio.Channel:
        """A connection of its own."""
        # Channels that share a pool of subchannels would share a connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.tls is None:
            return grpc.aio.insecure_channel(self.process.target, options=options)
        credentials = grpc.ssl_channel_credentials(self._authority.pem)
        return grpc.aio.secure_channel(self.process.target, credentials, options=options)

    def renew(self) -> None:
        """Give it another certificate."""
        self._files.put(self._authority.issue("localhost", "127.0.0.1"), self._authority)


async def campaign(
    folder: Path, *, seconds: float, seed: int, idle: int, tls: bool = False, keys: bool = False
) -> Report:
    """Attack a server for so long.

    Args:
        folder: For its data and its log.
        seconds: How long, once it has warmed up for a third of that.
        seed: Of everything that is random.
        idle: How many connections do nothing meanwhile.
        tls: Whether it speaks TLS; its certificate is renewed again and again then.
        keys: Whether it asks for keys; attackers have some of one organisation then, and guess others.
    """
    attacked = _Attacked(folder, tls=tls, keys=keys)
    server = attacked.process
    try:
        await attacked.start()
        outcomes = Outcomes()
        await _attack(attacked, seconds / 3, random.Random(seed), outcomes, idle)
        before = await at_rest(server.process.pid, server.port, own=0)
        nonsense, served, kept = await _attack(attacked, seconds, random.Random(seed + 1), outcomes, idle)
        after = await at_rest(server.process.pid, server.port, own=0)
        return Report(outcomes, nonsense, served, kept, before, after, server.log)
    finally:
        await asyncio.to_thread(server.end)


async def _attack(
    attacked: _Attacked, seconds: float, dice: random.Random, outcomes: Outcomes, idle: int
) -> tuple[int, int, int]:
    port = attacked.process.port
    await attacked.make_keys()
    channels = [attacked.channel() for _ in range(CALLERS)]
    there = await publish_baseline(Caller("", attacked.metadata, channels[0]), "attacked")
    enough = asyncio.Event()
    idlers = [RawConnection(port, PREFACE + SETTINGS) for _ in range(idle)]
    async with asyncio.TaskGroup() as group:
        nonsense = [group.create_task(talk_nonsense(port, _own(dice), enough)) for _ in range(TALKERS)]
        group.create_task(talk_slowly(port, _own(dice), enough))
        if attacked.context is not None:
            nonsense.append(group.create_task(talk_through_tls(port, attacked.context, _own(dice), enough)))
            group.create_task(_renew(attacked, enough))
        for channel in channels:
            group.create_task(call_at_random(channel, _own(dice), there, outcomes, enough, attacked.keys))
        served = group.create_task(_be_served(attacked, enough))
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


async def _renew(attacked: _Attacked, enough: asyncio.Event) -> None:
    while not enough.is_set():
        attacked.renew()
        await asyncio.sleep(0.1)


async def _be_served(attacked: _Attacked, enough: asyncio.Event) -> int:
    """Do what an application does, and find everything as it should be."""
    count = 0
    user = str(uuid4())
    while not enough.is_set():
        # A client of its own each time: it connects, and is shown a certificate, again and again.
        async with reflexio.AsyncReflexioClient(attacked.key_of_others, attacked.url, tls=attacked.tls) as client:
            content = f"number {count} of {user}"
            await client.publish_interaction(user, [{"content": content}])
            [newest] = (await client.get_interactions(user, top_k=1)).interactions
            assert newest.content == content
            found = await client.search_interactions(user_id=user, query=content, top_k=3)
            assert content in [one.content for one in found.interactions]
            count += 1
    return count
