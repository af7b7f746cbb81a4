"""Erasing a user on one replica: the other shows nothing from then on, and only what is new when they come back."""

from contextlib import AsyncExitStack

from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as pb

from tests.rpc.baseline import GOOD, Baseline
from tests.rpc.wire import Caller
from tests.running import Postgres, running_server


async def found(call: Caller, user_id: str) -> set[tuple[str, ...]]:
    """What each mode of search finds, and the list: a set of one element where they agree."""
    searches = [pb.SearchInteractionsRequest(user_id=user_id, query="apples", search_mode=mode) for mode in (1, 2, 3)]
    hits = [
        tuple(sorted(hit.interaction.content for hit in (await call("SearchInteractions", s)).hits)) for s in searches
    ]
    listed = (await call("ListInteractions", pb.ListInteractionsRequest(user_id=user_id))).interactions
    return {*hits, tuple(sorted(one.content for one in listed))}


async def test_on_another_replica_too_nothing_is_left_and_only_what_is_new_comes_back(postgres: Postgres, user_id: str):
    url = postgres.new_database()
    async with AsyncExitStack() as stack:
        replicas = [stack.enter_context(running_server(url)) for _ in range(2)]
        here, there = (Caller(replica.target) for replica in replicas)
        for call in (here, there):
            stack.push_async_callback(call.channel.close)
        for round_ in range(3):
            said = [f"apples of round {round_}", f"more apples of round {round_}"]
            for content in said:
                publish = pb.PublishInteractionsRequest(user_id=user_id, interactions=[{"content": content}])
                await here("PublishInteractions", publish)
            for call in (here, there):
                assert await found(call, user_id) == {tuple(said)}
            answer = await here("EraseUser", data.EraseUserRequest(user_id=user_id))
            assert (answer.deleted_requests_count, answer.deleted_interactions_count) == (2, 2)
            for call in (there, here):
                assert await found(call, user_id) == {()}
            assert await there("ExportData", data.ExportDataRequest(user_id=user_id)) == [
                data.ExportDataResponse(totals=data.ExportTotals())
            ]


async def test_it_says_what_it_did_and_its_repetition_is_harmless(call: Caller, there: Baseline):
    request = GOOD["EraseUser"](there)
    answer = await call("EraseUser", request)
    assert answer.message == "deleted 1 request and 2 interactions"
    again = await call("EraseUser", request)
    assert "nothing was deleted" in again.message
    assert (again.deleted_requests_count, again.deleted_interactions_count) == (0, 0)
