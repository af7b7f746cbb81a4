"""One round: servers and publishers run, things break, calm returns, and everything is compared."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg
from reflexio_server.access.caller import AccessRole
from reflexio_server.store.location import driver_url

from tests.end_to_end.faults.injection import DISK_FAULTS, EMBEDDED_FAULTS, FAULTS, WORKER_FAULTS, Fault, Stand
from tests.end_to_end.faults.ledger import Fate, Ledger, Ledgers, read_ledgers
from tests.end_to_end.faults.proxy import Proxy
from tests.end_to_end.faults.publications import Publication
from tests.end_to_end.faults.records import age_limit
from tests.end_to_end.faults.rows import compare_rows, settled, too_old
from tests.end_to_end.faults.verification import Findings, compare_searches, compare_with_export, compare_with_listing
from tests.end_to_end.stand.client import connected
from tests.end_to_end.stand.health import is_serving
from tests.end_to_end.stand.postgres_process import PostgresProcess, in_a_loop_of_its_own, socket_dir_of
from tests.end_to_end.stand.server_process import ROOT, ServerProcess, free_port, quiet_environment
from tests.identity.tenants import made

_SETTLE_SECONDS = 240
_RECOVERY_SECONDS = 30
_RUN_OUT = "update embedding_queue set leased_until = now() where set_aside_reason is null and leased_until > now()"


@dataclass(frozen=True)
class Plan:
    """What a round does."""

    name: str
    seed: str
    seconds: float
    """How long to break things, while publishers run."""
    servers: int = 2
    embedded: bool = False
    """One server with a Postgres of its own, in place of several that share one."""
    real_model: bool = False
    api_keys: bool = False
    """Whether the servers, which share a Postgres then, ask for keys."""
    workers: int = 1
    """Of each server."""
    faults: Mapping[str, Fault] | None = None
    """None: all there are for this kind of stand."""
    processes: int = 2
    threads: int = 5
    import_threads: int = 1
    """How many more threads of each process import."""
    background_threads: int = 0
    """How many more threads of each process hand over to a `BackgroundPublisher`."""
    most_publishes: int = 1000
    """By one thread."""
    pause_seconds: float = 0.05
    """How long a thread waits between calls at most."""
    wait_for_leases: bool = False
    """Whether to wait until the leases of killed servers run out, in place of letting them run out at once."""


@dataclass
class Outcome:
    """What became of a round."""

    injected: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    attempted: int = 0
    acknowledged: int = 0
    imported: int = 0
    """Of what was acknowledged, that which came as a record of an import."""
    deletes_attempted: int = 0
    deletes_acknowledged: int = 0
    findings: Findings = field(default_factory=Findings)


def run_round(plan: Plan, folder: Path, postgres: PostgresProcess | None, disk: Path | None = None) -> Outcome:
    """Run a round.

    Args:
        plan: What to do.
        folder: Where to put ledgers and logs; made here.
        postgres: What the servers share; None for an embedded one.
        disk: The small disk on which `postgres` is, if it is.
    """
    (folder / "owed").mkdir(parents=True)
    (folder / "claimed").mkdir()
    outcome = Outcome()
    chance = Random(plan.seed)
    with ExitStack() as stack:
        stand = stack.enter_context(_stand(plan, folder, postgres))
        stand.disk = disk
        with _publishers(plan, folder, stand):
            _break_things(plan, stand, chance, outcome)
            stand.calm()
        for server in stand.servers:
            if not is_serving(server.target, _RECOVERY_SECONDS):
                stand.complaints.append(f"not serving again in the calm:\n{server.log[-3000:]}")
        _repeat_what_is_owed(folder, stand)
        read = read_ledgers(folder)
        outcome.events = read.counts
        _count(outcome, read.fates)
        in_a_loop_of_its_own(_settle(plan, stand))
        for text in [*read.violations, *stand.complaints]:
            outcome.findings.note("seen by a publisher or a fault", text)
        _verify(stand, read.fates, chance, outcome.findings)
        in_a_loop_of_its_own(_compare_rows(plan, stand, read, outcome.findings))
    return outcome


@contextmanager
def _stand(plan: Plan, folder: Path, postgres: PostgresProcess | None) -> Iterator[Stand]:
    with ExitStack() as stack:
        stand = Stand([], [], postgres, None, plan.name, folder / "data")
        if plan.embedded:
            stand.postgres = None
            flags: list[str] = ["--data-dir", str(stand.data_dir)]
        else:
            assert postgres is not None
            postgres.execute("postgres", f"create database {plan.name}")
            # The socket has a fixed name, in a folder that clients are told; a path may have 107 bytes.
            own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rf-")))
            stand.to_postgres = Proxy(own / ".s.PGSQL.5432", postgres.socket_dir / ".s.PGSQL.5432")
            stack.callback(stand.to_postgres.close)
            flags = ["--database-url", postgres.url(plan.name, own)]
        flags += ["--auth", "api-key"] * plan.api_keys + ["--workers", str(plan.workers)] * (plan.workers > 1)
        count = 1 if plan.embedded else plan.servers
        stand.servers = [
            ServerProcess(folder, f"server-{number}", *flags, real_model=plan.real_model) for number in range(count)
        ]
        for server in stand.servers:
            server.launch()
            stack.callback(server.end)
        for server in stand.servers:
            server.wait_until_listening()
        if plan.api_keys:
            assert postgres is not None
            stand.api_key = made(driver_url(postgres.url(plan.name)), org_id=1).keys[AccessRole.ADMIN]
        with connected(stand.servers[0].target, stand.api_key) as client:
            client.set_retention(age_limit())
        stand.to_servers = [Proxy(free_port(), server.port) for server in stand.servers]
        for proxy in stand.to_servers:
            stack.callback(proxy.close)
        yield stand


@contextmanager
def _publishers(plan: Plan, folder: Path, stand: Stand) -> Iterator[None]:
    ports = [proxy.listen for proxy in stand.to_servers]
    endpoints = [f"127.0.0.1:{port}" for port in ports]
    if len(ports) > 1:
        endpoints.append("ipv4:" + ",".join(endpoints))
    running = []
    for number in range(plan.processes):
        orders = {
            "seed": plan.seed,
            "prefix": f"{plan.name}.p{number}",
            "folder": str(folder),
            "endpoints": endpoints,
            "postgres": {"host": str(_socket_dir(stand)), "database": _database(stand)},
            "threads": plan.threads,
            "import_threads": plan.import_threads,
            "background_threads": plan.background_threads,
            "api_key": stand.api_key,
            "most_publishes": plan.most_publishes,
            "pause_seconds": plan.pause_seconds,
            "timeout_seconds": 6,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.faults.publishing"],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            env=quiet_environment(),
            text=True,
        )
        running.append(process)
        assert process.stdin is not None
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
    try:
        yield
    finally:
        for process in running:
            process.stdin.close()
        codes = [process.wait(timeout=60) for process in running]
    if any(codes):
        stand.complaints.append(f"publishers ended with {codes}")


def _break_things(plan: Plan, stand: Stand, chance: Random, outcome: Outcome) -> None:
    shared = FAULTS | DISK_FAULTS if stand.disk is not None else FAULTS
    if plan.workers > 1:
        shared = shared | WORKER_FAULTS
    faults = plan.faults if plan.faults is not None else EMBEDDED_FAULTS if plan.embedded else shared
    end = time.monotonic() + plan.seconds
    deck: list[str] = []
    time.sleep(min(1.0, plan.seconds / 4))
    while time.monotonic() < end:
        if not deck:
            deck = sorted(faults)
            chance.shuffle(deck)
        name = deck.pop()
        faults[name](stand, chance)
        outcome.injected[name] += 1
        time.sleep(chance.uniform(0, 1))


def _repeat_what_is_owed(folder: Path, stand: Stand) -> None:
    """In the calm every repetition under a key must be answered, at whatever server."""
    ledger = Ledger(folder / "calm.jsonl")
    for number, owed in enumerate([*(folder / "owed").iterdir(), *(folder / "claimed").iterdir()]):
        publication = Publication(owed.name)
        server = stand.servers[number % len(stand.servers)]
        with connected(server.target, stand.api_key, timeout=60) as client:
            ledger.note("publish", tag=publication.tag)
            answer = client.publish_interaction(**publication.arguments)
            ledger.note(
                "acknowledged",
                tag=publication.tag,
                request_id=answer.request_id,
                interaction_ids=answer.interaction_ids,
            )
    ledger.close()


def _count(outcome: Outcome, fates: Mapping[str, Fate]) -> None:
    outcome.attempted = len(fates)
    outcome.acknowledged = sum(fate.acknowledged for fate in fates.values())
    outcome.imported = sum(fate.acknowledged for tag, fate in fates.items() if Publication(tag).is_imported)
    outcome.deletes_attempted = outcome.events["delete"]
    outcome.deletes_acknowledged = outcome.events["deleted"]


def _socket_dir(stand: Stand) -> Path:
    return stand.postgres.socket_dir if stand.postgres is not None else socket_dir_of(stand.data_dir)


def _database(stand: Stand) -> str:
    return stand.database if stand.postgres is not None else "postgres"


async def _connected(stand: Stand) -> asyncpg.Connection:
    return await asyncpg.connect(host=str(_socket_dir(stand)), user="postgres", database=_database(stand))


async def _settle(plan: Plan, stand: Stand) -> None:
    """Wait until the backlog is worked off."""
    connection = await _connected(stand)
    try:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not await settled(connection):
            if time.monotonic() > deadline:
                left = await connection.fetch("select * from embedding_queue where set_aside_reason is null limit 20")
                left += await too_old(connection)
                stand.complaints.append(f"not settled after {_SETTLE_SECONDS} seconds: {left}")
                return
            # The real model takes its time, in which no other server should begin with the same.
            if not plan.wait_for_leases and not plan.real_model:
                await connection.execute(_RUN_OUT)
            await asyncio.sleep(0.2)
    finally:
        await connection.close()


def _verify(stand: Stand, fates: dict[str, Fate], chance: Random, findings: Findings) -> None:
    users = {Publication(tag).user_id for tag in fates}
    for server in stand.servers:
        with connected(server.target, stand.api_key, timeout=60) as client:
            survivors = compare_with_listing(client, fates, findings)
            compare_with_export(client, fates, findings)
            compare_searches(client, survivors, users, chance, findings)


async def _compare_rows(plan: Plan, stand: Stand, read: Ledgers, findings: Findings) -> None:
    connection = await _connected(stand)
    try:
        url = f"postgresql://postgres@/{_database(stand)}?host={_socket_dir(stand)}"
        await compare_rows(url, connection, findings, erased=read.erased, fake_model=not plan.real_model)
    finally:
        await connection.close()
