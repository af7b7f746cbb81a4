"""When Postgres is there and does not do its work: callers are told to come back, and nothing is lost or half done."""

import pytest
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio_server.embed import writer
from reflexio_server.store import embedding_queue

from tests.embed.eventually import eventually
from tests.rpc.baseline import GOOD, Baseline, publish_baseline, snapshot
from tests.rpc.refusing_tables import RefusingTables
from tests.rpc.wire import Caller, refused

SOMEBODY = Baseline("somebody", "", "", (1,))
REFUSALS = ("40001", "40P01", "55P03", "57014", "25006", "58030")


async def test_a_publish_that_others_stand_in_the_way_of_is_done_again(tables: RefusingTables, on_tables: Caller):
    there = await publish_baseline(on_tables, "user")
    for key in ("", "key"):
        before = (await on_tables("ListInteractions", GOOD["ListInteractions"](there))).interactions
        await tables.refuse("requests", "40001", when="refused < 3")
        publish = GOOD["PublishInteractions"](there)
        publish.idempotency_key, publish.wait_for_response = key, True
        published = (await on_tables("PublishInteractions", publish)).result.interaction_ids
        assert await tables.refusals() == 4
        await tables.relent()
        after = (await on_tables("ListInteractions", GOOD["ListInteractions"](there))).interactions
        assert [one.interaction_id for one in after[: len(after) - len(before)]] == list(reversed(published))


async def test_who_publishes_to_a_database_that_cannot_store_is_told_to_come_back(
    tables: RefusingTables, on_tables: Caller
):
    there = await publish_baseline(on_tables, "user")
    before = await snapshot(on_tables, there)
    for state in REFUSALS:
        await tables.refuse("requests", state, "secret")
        refusal = await refused(on_tables("PublishInteractions", GOOD["PublishInteractions"](there)))
        assert (refusal.code, refusal.reason) == (StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"), state
        assert refusal.retry_seconds == 1
        assert "secret" not in refusal.message
        await tables.relent()
    assert await snapshot(on_tables, there) == before


async def backlog(call: Caller) -> tuple[int, int]:
    """How many texts wait, and how many were set aside."""
    info = await call("GetServerInfo", GOOD["GetServerInfo"](SOMEBODY))
    return info.embedding_backlog_count, info.embedding_set_aside_count


async def found(call: Caller) -> list[str]:
    """What a search by meaning finds of somebody."""
    search = pb.SearchInteractionsRequest(
        user_id=SOMEBODY.user_id, query="fine", search_mode=pb.SEARCH_MODE_VECTOR, top_k=100
    )
    return sorted(hit.interaction.content for hit in (await call("SearchInteractions", search)).hits)


async def test_what_the_database_does_not_store_is_not_the_fault_of_the_texts(
    tables: RefusingTables, on_tables: Caller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embedding_queue, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(writer, "_LONGEST_PAUSE", 0.05)
    states = (*REFUSALS, "XX000", "42501")
    for state in states:
        await tables.refuse("vectors", state)
        await on_tables("PublishInteractions", GOOD["PublishInteractions"](SOMEBODY))

        async def tried_often() -> bool:
            return await tables.refusals() > 2 * embedding_queue.MOST_ATTEMPTS

        await eventually(tried_often)
        assert await backlog(on_tables) == (1, 0), state
        await tables.relent()

        async def embedded() -> bool:
            return await backlog(on_tables) == (0, 0)

        await eventually(embedded)
    assert len(await found(on_tables)) == len(states)


async def test_a_text_whose_vectors_the_database_refuses_is_set_aside_alone_and_without_a_statement(
    tables: RefusingTables, on_tables: Caller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embedding_queue, "RETRY_SECONDS", 0.01)
    poison = "exists (select from interactions i where i.interaction_id = new.interaction_id and content = 'poison')"
    await tables.refuse("vectors", "23514", "secret", when=poison)
    said = ["good", "poison", "fine"]
    publish = pb.PublishInteractionsRequest(
        user_id=SOMEBODY.user_id, interactions=[{"content": one} for one in said], wait_for_response=True
    )
    await on_tables("PublishInteractions", publish)
    assert await found(on_tables) == ["fine", "good"]
    info = await on_tables("GetServerInfo", GOOD["GetServerInfo"](SOMEBODY))
    assert (info.embedding_backlog_count, info.embedding_set_aside_count) == (0, 1)
    [aside] = info.newest_set_aside
    assert aside.reason == "CheckViolationError: the database refused its vectors"
