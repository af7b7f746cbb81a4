"""A call whose deadline is over is not worked on, wherever it waits."""

import asyncio
import threading
import time

import asyncpg
import pytest
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1 import request_service_pb2
from sqlalchemy import make_url

from tests.embed.eventually import eventually
from tests.rpc.wire import Caller, refused
from tests.running import running_server


@pytest.fixture(scope="module")
def url(postgres):
    return postgres.new_database()


@pytest.fixture(scope="module")
def server(url):
    """A server whose pool has two connections."""
    with running_server(url, database_pool_size=2) as started:
        yield started


@pytest.fixture
async def call(server):
    caller = Caller(server.target)
    yield caller
    await caller.channel.close()


@pytest.fixture
async def connection(url):
    """A connection to the server's database."""
    parts = make_url(url)
    opened = await asyncpg.connect(host=parts.query["host"], user="postgres", database=parts.database)
    yield opened
    await opened.close()


def publish():
    return pb.PublishInteractionsRequest(user_id="user", interactions=[{"content": "too late"}])


async def stored(call):
    return (await call("ListInteractions", pb.ListInteractionsRequest(user_id="user"))).interactions


async def test_a_call_that_waits_in_postgres_or_for_a_connection_ends_there_too(call, connection, caplog):
    # The backlog waits too; it has no caller.
    waiting = """
        select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
        and query not like '%embedding_queue%'
    """
    async with connection.transaction():
        await connection.execute("lock table interactions, requests in access exclusive mode")
        late = [
            call("ListInteractions", pb.ListInteractionsRequest(user_id="user"), timeout=1),
            call("ListRequests", request_service_pb2.ListRequestsRequest(user_id="user"), timeout=1),
            call("SearchInteractions", pb.SearchInteractionsRequest(user_id="user", query="x"), timeout=1),
            call("ListInteractions", pb.ListInteractionsRequest(user_id="user"), timeout=1),
        ]
        answers = asyncio.gather(*(refused(one) for one in late))

        async def some_wait():
            return await connection.fetchval(waiting) > 0

        await eventually(some_wait)
        for answer in await answers:
            assert answer.code is StatusCode.DEADLINE_EXCEEDED

        async def nothing_waits():
            return await connection.fetchval(waiting) == 0

        await eventually(nothing_waits)
    assert list(await stored(call)) == []
    assert "database" not in caplog.text, "that is no outage"


async def test_a_call_that_comes_too_late_to_its_turn_is_not_begun(server, call):
    await stored(call)
    stalled, go_on = threading.Event(), threading.Event()

    def stall():
        stalled.set()
        go_on.wait(30)

    server._loop.call_soon_threadsafe(stall)
    stalled.wait(30)
    try:
        assert (await refused(call("PublishInteractions", publish(), timeout=0.2))).code is StatusCode.DEADLINE_EXCEEDED
    finally:
        go_on.set()
    began = time.monotonic()
    while time.monotonic() - began < 0.3:
        assert list(await stored(call)) == []
