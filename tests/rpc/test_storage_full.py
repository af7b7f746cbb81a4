"""When Postgres has no room: callers are told, nothing is half stored, and all goes on when there is room again."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb
from sqlalchemy import make_url

from tests.embed.eventually import eventually
from tests.rpc.baseline import GOOD, Baseline, publish_baseline, snapshot
from tests.rpc.wire import Caller, refused
from tests.running import Postgres, running_server

SOMEBODY = Baseline("somebody", "", "", (1,))


class Disk:
    """The database of a server, some of whose tables can be kept from growing."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)

    async def run(self, *statements: str) -> object:
        connection = await asyncpg.connect(
            host=self.url.query["host"], user=self.url.username, database=self.url.database, timeout=20
        )
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    async def fill(self, table: str, state: str) -> None:
        """Have each insertion into a table fail with this SQLSTATE, and count them."""
        await self.run(
            "create sequence refusals",
            f"""create function refuse() returns trigger language plpgsql as $$
                begin
                    perform nextval('refusals');
                    raise exception 'could not extend file "base/1": No space left' using errcode = '{state}';
                end $$""",
            f"create trigger full_disk after insert on {table} for each row execute function refuse()",
        )

    async def refusals(self) -> int:
        """How many insertions failed; a sequence is not undone with its transaction."""
        return await self.run("select case when is_called then last_value else 0 end from refusals")

    async def make_room(self) -> None:
        """Let everything grow again."""
        await self.run("drop function refuse cascade")


@pytest.fixture
def disk(postgres: Postgres) -> Disk:
    return Disk(postgres.new_database())


@pytest.fixture
async def call(disk: Disk) -> AsyncIterator[Caller]:
    """Calls a server on that disk."""
    with running_server(disk.url.render_as_string(hide_password=False)) as server:
        caller = Caller(server.target)
        yield caller
        await caller.channel.close()


@pytest.mark.parametrize(
    ("table", "state"),
    [("requests", "53200"), ("interactions", "53100"), ("embedding_queue", "53100")],
    ids=["first table, memory", "second table, disk", "last table, disk"],
)
async def test_a_publish_without_room_is_refused_whole(disk: Disk, call: Caller, table: str, state: str):
    there = await publish_baseline(call, "user")
    before = await snapshot(call, there)
    await disk.fill(table, state)
    publish = GOOD["PublishInteractions"](there)
    publish.idempotency_key = "key"
    refusal = await refused(call("PublishInteractions", publish))
    assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")
    assert refusal.retry_seconds == 30
    assert "base/1" not in refusal.message
    assert await snapshot(call, there) == before
    await disk.make_room()
    publish.wait_for_response = True
    assert (await call("PublishInteractions", publish)).result.interaction_ids


async def test_what_cannot_be_embedded_for_lack_of_room_waits_and_is_not_set_aside(disk: Disk, call: Caller):
    await disk.fill("vectors", "53100")
    await call("PublishInteractions", GOOD["PublishInteractions"](SOMEBODY))

    async def tried_often() -> bool:
        return await disk.refusals() > 4

    await eventually(tried_often)
    info = await call("GetServerInfo", GOOD["GetServerInfo"](SOMEBODY))
    assert (info.embedding_backlog_count, info.embedding_set_aside_count) == (1, 0)
    await disk.make_room()

    async def embedded() -> bool:
        return not (await call("GetServerInfo", GOOD["GetServerInfo"](SOMEBODY))).embedding_backlog_count

    await eventually(embedded)
    search = pb.SearchInteractionsRequest(
        user_id=SOMEBODY.user_id, query="fine", search_mode=pb.SEARCH_MODE_VECTOR, top_k=1
    )
    assert len((await call("SearchInteractions", search)).hits) == 1
