"""When something inside fails: the caller is told what helps, and nothing of what is inside."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1 import request_service_pb2 as requests
from reflexio_server.app import Application
from reflexio_server.settings import Settings
from reflexio_server.store.database import Database
from reflexio_server.store.embedded_postgres import EmbeddedPostgres
from sqlalchemy import text

from tests.fakes.embedder import FakeEmbedder
from tests.rpc.baseline import GOOD, Baseline, publish_baseline
from tests.rpc.embedders import SECRET, BrokenEmbedder, HeldEmbedder
from tests.rpc.wire import METHODS, Caller, refused
from tests.running import Postgres, running_server

WITHOUT_DATABASE = {"WhoAmI", "Login"}


@pytest.fixture
async def broken(postgres: Postgres) -> AsyncIterator[Caller]:
    """Calls a server whose model fails on queries."""
    with running_server(postgres.new_database(), embedder=BrokenEmbedder()) as server:
        call = Caller(server.target)
        yield call
        await call.channel.close()


async def test_a_model_that_fails_on_a_query_leaves_the_words(broken: Caller, caplog: pytest.LogCaptureFixture):
    there = await publish_baseline(broken, "user")
    search = pb.SearchInteractionsRequest(user_id=there.user_id, query="hello", search_mode=pb.SEARCH_MODE_VECTOR)
    refusal = await refused(broken("SearchInteractions", search))
    assert (refusal.code, refusal.reason) == (StatusCode.FAILED_PRECONDITION, "MODEL_UNAVAILABLE")
    assert refusal.metadata == {"embedding_model": FakeEmbedder().name}
    for part in SECRET.split():
        assert part not in refusal.message
    assert "failed on a query" in caplog.text
    search.search_mode = pb.SEARCH_MODE_FTS
    by_words = await broken("SearchInteractions", search)
    assert by_words.hits[0].interaction.content == "hello there", "what needs no model goes on"
    assert not by_words.words_only
    search.search_mode = pb.SEARCH_MODE_HYBRID
    hybrid = await broken("SearchInteractions", search)
    assert (hybrid.hits, hybrid.words_only) == (by_words.hits, True)


async def test_a_fault_is_told_by_its_number_and_not_by_its_text(postgres: Postgres, caplog: pytest.LogCaptureFixture):
    url = postgres.new_database()
    with running_server(url) as server:
        database = Database(pool_size=2, statement_cache_size=0)
        database.open(url)
        async with database.autocommit(None) as connection:
            await connection.execute(text("drop table requests"))
        await database.close()
        call = Caller(server.target)
        request = requests.ListRequestsRequest(user_id="user")
        refusal = await refused(call("ListRequests", request, metadata=[("x-request-id", "faulty")]))
        await call.channel.close()
    assert (refusal.code, refusal.reason, refusal.domain) == (StatusCode.INTERNAL, "INTERNAL", "reflexio")
    assert refusal.metadata == {"request_id": "faulty"}
    assert refusal.request_id == "faulty"
    assert "faulty" in refusal.message
    for part in ("select", "relation", "UndefinedTable"):
        assert part not in refusal.message
    assert "faulty" in caplog.text, "the log can be searched for it"


@pytest.fixture
async def without_postgres(tmp_path: Path) -> AsyncIterator[tuple[Caller, Baseline]]:
    """Calls a server whose Postgres is gone, and what was there before."""
    postgres = EmbeddedPostgres(tmp_path)
    url = await asyncio.to_thread(postgres.start)
    app = Application(Settings(port=0, database_url=url, lame_duck_seconds=0), FakeEmbedder())
    await app.start()
    call = Caller(f"127.0.0.1:{app.port}")
    there = await publish_baseline(call, "user")
    await asyncio.to_thread(postgres.stop)
    yield call, there
    await call.channel.close()
    await app.stop()


async def test_without_postgres_every_call_says_so(without_postgres: tuple[Caller, Baseline]):
    call, there = without_postgres
    for method in METHODS.keys() - WITHOUT_DATABASE:
        for _ in range(2):
            refusal = await refused(call(method, GOOD[method](there), timeout=20))
            assert (refusal.code, refusal.reason, refusal.domain) == (
                StatusCode.UNAVAILABLE,
                "DATABASE_UNAVAILABLE",
                "reflexio",
            ), method
            assert refusal.retry_seconds is not None
            assert refusal.retry_seconds > 0
            assert "/" not in refusal.message, "no path of the socket"
    for method in WITHOUT_DATABASE:
        await call(method, GOOD[method](there))
    malformed = await refused(call.send("PublishInteractions", b"\xff"))
    assert malformed.reason == "MALFORMED_REQUEST"


@pytest.fixture
async def slow(postgres: Postgres) -> AsyncIterator[tuple[Caller, HeldEmbedder]]:
    """Calls a server whose model computes nothing until it may."""
    embedder = HeldEmbedder()
    embedder.may_load.set()
    with running_server(postgres.new_database(), embedder=embedder) as server:
        call = Caller(server.target)
        yield call, embedder
        embedder.may_encode.set()
        await call.channel.close()


async def test_a_publish_whose_deadline_passes_is_stored_and_can_be_asked_for(slow: tuple[Caller, HeldEmbedder]):
    call, embedder = slow
    request = GOOD["PublishInteractions"](Baseline("user", "", "", (1,)))
    request.wait_for_response, request.idempotency_key = True, str(uuid4())
    refusal = await refused(call("PublishInteractions", request, timeout=0.5))
    assert refusal.code is StatusCode.DEADLINE_EXCEEDED
    embedder.may_encode.set()
    answer = await call("PublishInteractions", request)
    listed = await call("ListInteractions", pb.ListInteractionsRequest(user_id="user"))
    assert [i.interaction_id for i in listed.interactions] == list(answer.result.interaction_ids)


async def test_a_search_whose_deadline_passes_ends_and_the_server_goes_on(slow: tuple[Caller, HeldEmbedder]):
    call, embedder = slow
    await call("PublishInteractions", GOOD["PublishInteractions"](Baseline("user", "", "", (1,))))
    search = pb.SearchInteractionsRequest(user_id="user", query="fine")
    assert (await refused(call("SearchInteractions", search, timeout=0.3))).code is StatusCode.DEADLINE_EXCEEDED
    search.search_mode = pb.SEARCH_MODE_FTS
    assert len((await call("SearchInteractions", search)).hits) == 1
    embedder.may_encode.set()
    search.search_mode = pb.SEARCH_MODE_VECTOR
    assert len((await call("SearchInteractions", search)).hits) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_deadline_that_has_passed_changes_nothing(call: Caller, there: Baseline, method: str):
    assert (await refused(call(method, GOOD[method](there), timeout=-1))).code is StatusCode.DEADLINE_EXCEEDED
    listed = await call("ListInteractions", pb.ListInteractionsRequest(user_id=there.user_id))
    assert sorted(i.interaction_id for i in listed.interactions) == sorted(there.interaction_ids)
