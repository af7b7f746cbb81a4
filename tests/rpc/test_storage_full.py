"""When Postgres has no room: callers are told, nothing is half stored, and all goes on when there is room again."""

import pytest
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb

from tests.embed.eventually import eventually
from tests.rpc.baseline import GOOD, Baseline, publish_baseline, snapshot
from tests.rpc.refusing_tables import RefusingTables
from tests.rpc.wire import Caller, refused

SOMEBODY = Baseline("somebody", "", "", (1,))


@pytest.mark.parametrize(
    ("table", "state"),
    [("requests", "53200"), ("interactions", "53100"), ("embedding_queue", "53100")],
    ids=["first table, memory", "second table, disk", "last table, disk"],
)
async def test_a_publish_without_room_is_refused_whole(
    tables: RefusingTables, on_tables: Caller, table: str, state: str
):
    there = await publish_baseline(on_tables, "user")
    before = await snapshot(on_tables, there)
    await tables.refuse(table, state, "could not extend file base/1: No space left")
    publish = GOOD["PublishInteractions"](there)
    publish.idempotency_key = "key"
    refusal = await refused(on_tables("PublishInteractions", publish))
    assert (refusal.code, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")
    assert refusal.retry_seconds == 30
    assert "base/1" not in refusal.message
    assert await snapshot(on_tables, there) == before
    await tables.relent()
    publish.wait_for_response = True
    assert (await on_tables("PublishInteractions", publish)).result.interaction_ids


async def test_what_cannot_be_embedded_for_lack_of_room_waits_and_is_not_set_aside(
    tables: RefusingTables, on_tables: Caller
):
    await tables.refuse("vectors", "53100")
    await on_tables("PublishInteractions", GOOD["PublishInteractions"](SOMEBODY))

    async def tried_often() -> bool:
        return await tables.refusals() > 4

    await eventually(tried_often)
    info = await on_tables("GetServerInfo", GOOD["GetServerInfo"](SOMEBODY))
    assert (info.embedding_backlog_count, info.embedding_set_aside_count) == (1, 0)
    await tables.relent()

    async def embedded() -> bool:
        return not (await on_tables("GetServerInfo", GOOD["GetServerInfo"](SOMEBODY))).embedding_backlog_count

    await eventually(embedded)
    search = pb.SearchInteractionsRequest(
        user_id=SOMEBODY.user_id, query="fine", search_mode=pb.SEARCH_MODE_VECTOR, top_k=1
    )
    assert len((await on_tables("SearchInteractions", search)).hits) == 1
