"""What is too large for a message, in either direction; deadlines; how many calls at once."""

import asyncio

import grpc
import pytest
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1.request_service_pb2 import DeleteSessionRequest

from tests.rpc.baseline import GOOD, Baseline, publish_baseline, snapshot
from tests.rpc.wire import Caller, refused
from tests.running import Postgres, running_server
from tests.validate.pictures import picture


@pytest.fixture
async def small(postgres: Postgres):
    """Calls a server that takes no message of more than 1 MiB."""
    with running_server(postgres.new_database(), max_message_mb=1) as server:
        call = Caller(server.target)
        yield call
        await call.channel.close()


async def test_a_message_that_is_too_large_is_refused_and_the_connection_survives(small: Caller):
    there = await publish_baseline(small, "user")
    before = await snapshot(small, there)
    text = {"content": "x" * 200_000}
    too_large = pb.PublishInteractionsRequest(user_id="user", interactions=[text] * 6)
    refusal = await refused(small("PublishInteractions", too_large))
    assert refusal.code is StatusCode.RESOURCE_EXHAUSTED
    assert await snapshot(small, there) == before
    await small("PublishInteractions", pb.PublishInteractionsRequest(user_id="user", interactions=[text] * 5))


async def test_an_answer_that_would_be_too_large_is_cut_and_says_so(small: Caller):
    for n in range(8):
        said = [{"content": f"apple {n}", "image": picture(size=(300, 300))}]
        await small("PublishInteractions", pb.PublishInteractionsRequest(user_id="user", interactions=said))
    for query in ("apple", ""):
        search = pb.SearchInteractionsRequest(user_id="user", query=query, include_images=True)
        answer = await small("SearchInteractions", search)
        assert answer.truncated
        assert 0 < len(answer.hits) < 8
        assert answer.ByteSize() < 1024 * 1024 + 10_000
        search.include_images = False
        answer = await small("SearchInteractions", search)
        assert (len(answer.hits), answer.truncated) == (8, False)


async def test_pages_end_before_they_exceed_what_clients_accept(call: Caller, user_id: str):
    said = [{"content": "x" * 250_000}]
    for _ in range(4):
        publish = pb.PublishInteractionsRequest(user_id=user_id, interactions=said * 5)
        await call("PublishInteractions", publish)
    request = pb.ListInteractionsRequest(user_id=user_id, page_size=1000)
    sizes = []
    while True:
        page = await call("ListInteractions", request)
        sizes.append(len(page.interactions))
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sum(sizes) == 20
    assert max(sizes) < 20


async def test_the_server_says_how_large_a_message_may_be(small: Caller):
    info = await small("GetServerInfo", GOOD["GetServerInfo"](Baseline("", "", "", (1,))))
    assert info.max_message_bytes == 1024 * 1024


async def test_a_method_that_does_not_exist(call: Caller):
    for path in ("/reflexio.v1.InteractionService/NoSuchMethod", "/reflexio.v9.NoService/X", "/"):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call.channel.unary_unary(path)(b"")
        assert error.value.code() is StatusCode.UNIMPLEMENTED


async def test_calls_side_by_side_do_not_mix_up_their_users(call: Caller, user_id: str):
    async def use(n: int) -> None:
        user = f"{user_id} {n}"
        there = await publish_baseline(call, user)
        assert {i.user_id for i in (await snapshot(call, there))[0].interactions} == {user}
        hits = (await call("SearchInteractions", GOOD["SearchInteractions"](there))).hits
        assert {hit.interaction.user_id for hit in hits} == {user}
        refusal = await refused(call("DeleteSession", DeleteSessionRequest(), metadata=[("x-request-id", user)]))
        assert refusal.request_id == user

    await asyncio.gather(*(use(n) for n in range(30)))
