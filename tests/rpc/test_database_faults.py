"""When Postgres is there and does not do its work: callers are told to come back, and nothing is lost or half done."""

from grpc import StatusCode

from tests.rpc.baseline import GOOD, publish_baseline, snapshot
from tests.rpc.refusing_tables import RefusingTables
from tests.rpc.wire import Caller, refused

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
