"""When Postgres goes away: health says so, callers are told, and all recovers by itself when it is back."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import grpc
import psutil
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio_server.app import Application
from reflexio_server.settings import Settings
from reflexio_server.store.embedded_postgres import EmbeddedPostgres

from tests.fakes.embedder import FakeEmbedder
from tests.rpc.baseline import GOOD, Baseline, publish_baseline
from tests.rpc.wire import METHODS, Caller, refused

SERVICES = ["", *sorted({method.containing_service.full_name for method in METHODS.values()})]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as `condition` holds. A Postgres that recovers on a busy disk takes its time."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 -- nothing tells.
            await asyncio.sleep(0.02)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Postgres in a data folder: the postmaster first, then its children."""
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    return [psutil.Process(pid), *psutil.Process(pid).children()]


@dataclass
class Stand:
    """A server, what was published to it, and its Postgres."""

    call: Caller
    there: Baseline
    data_dir: Path

    async def health(self) -> set[str]:
        """What health says, of all services together."""
        stub = health_pb2_grpc.HealthStub(self.call.channel)
        answers = [await stub.Check(health_pb2.HealthCheckRequest(service=name)) for name in SERVICES]
        return {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) for answer in answers}

    def health_is(self, status: str) -> Callable[[], Awaitable[bool]]:
        async def is_it() -> bool:
            return await self.health() == {status}

        return is_it

    async def listed(self) -> list[int]:
        """The ids of what was published, once the server lists it."""

        async def answered() -> bool:
            try:
                await self.call("ListInteractions", GOOD["ListInteractions"](self.there))
            except grpc.aio.AioRpcError:
                return False
            return True

        await eventually(answered)
        found = await self.call("ListInteractions", pb.ListInteractionsRequest(user_id=self.there.user_id))
        return sorted(interaction.interaction_id for interaction in found.interactions)


async def stand_of(settings: Settings, data_dir: Path) -> AsyncIterator[Stand]:
    app = Application(settings, FakeEmbedder())
    await app.start()
    call = Caller(f"127.0.0.1:{app.port}")
    yield Stand(call, await publish_baseline(call, "user"), data_dir)
    await call.channel.close()
    await app.stop()


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A Postgres that is not the server's business."""
    started = EmbeddedPostgres(tmp_path)
    await asyncio.to_thread(started.start)
    yield started
    await asyncio.to_thread(started.stop)


@pytest.fixture
async def stand(postgres: EmbeddedPostgres) -> AsyncIterator[Stand]:
    """A server on that Postgres."""
    url = f"postgresql://postgres@/postgres?host={postgres.data_dir}/postgres"
    async for made in stand_of(Settings(port=0, database_url=url, lame_duck_seconds=0), postgres.data_dir):
        yield made


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Stand]:
    """A server with a Postgres of its own."""
    async for made in stand_of(Settings(port=0, data_dir=tmp_path, lame_duck_seconds=0), tmp_path):
        yield made


async def test_health_follows_the_database_and_calls_recover(
    stand: Stand, postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
):
    assert await stand.health() == {"SERVING"}
    await asyncio.to_thread(postgres.stop)
    for _ in range(20):
        refusal = await refused(stand.call("PublishInteractions", GOOD["PublishInteractions"](stand.there)))
        assert (refusal.code, refusal.reason) == (StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    await eventually(stand.health_is("NOT_SERVING"))
    await asyncio.to_thread(postgres.start)
    await eventually(stand.health_is("SERVING"))
    assert await stand.listed() == sorted(stand.there.interaction_ids)
    assert caplog.text.count("the database does not answer") == 1
    assert caplog.text.count("the database answers again") == 1
    assert caplog.text.count("call failed") == 1, "an outage must not flood the log"


async def test_a_postgres_that_takes_no_changes_is_an_outage_until_it_does(
    stand: Stand, postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
):
    connection = await asyncpg.connect(host=str(postgres.data_dir / "postgres"), user="postgres", database="postgres")
    try:
        # For new connections only, as after a failover: those that the server has know nothing of it.
        await connection.execute("alter role postgres set default_transaction_read_only = on")
        await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        await eventually(stand.health_is("NOT_SERVING"))
        assert "the database is read-only" in caplog.text
        assert await stand.listed() == sorted(stand.there.interaction_ids)
        refusal = await refused(stand.call("PublishInteractions", GOOD["PublishInteractions"](stand.there)))
        assert (refusal.code, refusal.reason) == (StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        assert "is read-only" in refusal.message
        await connection.execute("alter role postgres reset default_transaction_read_only")
    finally:
        await connection.close()
    await eventually(stand.health_is("SERVING"))
    # Over connections that were made while it was read-only it would be refused.
    assert (await publish_baseline(stand.call, "another")).interaction_ids


async def test_a_postgres_that_falls_silent_holds_no_call_until_its_deadline(stand: Stand):
    silenced = processes_of(stand.data_dir)
    for process in silenced:
        process.suspend()

    async def ask() -> None:
        refusal = await refused(stand.call("ListInteractions", GOOD["ListInteractions"](stand.there), timeout=60))
        assert (refusal.code, refusal.reason) == (StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")

    try:
        await asyncio.gather(*(ask() for _ in range(30)), eventually(stand.health_is("NOT_SERVING")))
    finally:
        for process in silenced:
            process.resume()
    await eventually(stand.health_is("SERVING"))
    assert await stand.listed() == sorted(stand.there.interaction_ids)


@pytest.mark.parametrize("all_of_it", [False, True], ids=["postmaster", "all"])
async def test_an_embedded_postgres_that_is_killed_is_started_again(
    embedded: Stand, all_of_it: bool, caplog: pytest.LogCaptureFixture
):
    for process in processes_of(embedded.data_dir)[: None if all_of_it else 1]:
        process.kill()

    async def started_again() -> bool:
        return "started the embedded Postgres again" in caplog.text

    await eventually(started_again)
    await eventually(embedded.health_is("SERVING"))
    assert await embedded.listed() == sorted(embedded.there.interaction_ids)
    assert (await publish_baseline(embedded.call, "another")).interaction_ids


async def test_a_server_whose_postgres_cannot_be_started_again_stays_and_says_why(
    embedded: Stand, caplog: pytest.LogCaptureFixture
):
    for process in processes_of(embedded.data_dir):
        process.kill()
    shutil.move(embedded.data_dir / "postgres", embedded.data_dir / "aside")

    async def tried_twice() -> bool:
        return caplog.text.count("cannot start the embedded Postgres again") > 1

    await eventually(tried_twice)
    assert "folder is gone" in caplog.text
    assert await embedded.health() == {"NOT_SERVING"}
    refusal = await refused(embedded.call("ListInteractions", GOOD["ListInteractions"](embedded.there)))
    assert refusal.reason == "DATABASE_UNAVAILABLE"
    shutil.move(embedded.data_dir / "aside", embedded.data_dir / "postgres")
    await eventually(embedded.health_is("SERVING"))
    assert await embedded.listed() == sorted(embedded.there.interaction_ids)


async def test_a_server_stops_well_whose_postgres_is_gone(tmp_path: Path):
    async with Application(Settings(port=0, data_dir=tmp_path, lame_duck_seconds=0), FakeEmbedder()):
        gone = processes_of(tmp_path)
        for process in gone:
            process.suspend()
        for process in gone:
            process.kill()
    everywhere = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(str(tmp_path / "postgres") in arguments for arguments in everywhere)
