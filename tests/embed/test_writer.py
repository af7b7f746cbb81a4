"""Storing vectors: together where nobody waits, and beside those who change other vectors of the same users."""

import asyncio

from reflexio_server.domain.ids import UserId
from reflexio_server.embed import writer
from reflexio_server.store import user_versions


async def test_what_nobody_waits_for_is_stored_together_and_what_somebody_waits_for_at_once(
    backlog, corpus, org_id, user_id, database, monkeypatch
):
    monkeypatch.setattr(writer, "_GATHERING_SECONDS", 3600)
    first = await corpus.publish(user_id, "first")
    async with asyncio.timeout(10):
        await backlog.wait_for(org_id, first.interaction_ids)
    published = [*first.interaction_ids]
    for number in range(5):
        published += (await corpus.publish(user_id, f"text {number}")).interaction_ids
    async with asyncio.timeout(10):
        await backlog.wait_for(org_id, published)
        assert (await backlog.catch_up(org_id, user_id, 10)).waiting == 0
    async with database.direct(org_id) as connection:
        query = "select count(*), count(distinct version) from vectors where org_id = $1"
        texts, transactions = await connection.fetchrow(query, org_id)
    assert texts == 6
    assert transactions <= 3


async def test_a_search_does_not_wait_for_others_to_be_stored_with(
    backlog, corpus, org_id, user_id, database, monkeypatch
):
    monkeypatch.setattr(writer, "_GATHERING_SECONDS", 3600)
    for number in range(3):
        await corpus.publish(user_id, f"text {number}")
        async with asyncio.timeout(10):
            assert await backlog.catch_up(org_id, user_id, 10) == (0, 0)


async def test_a_user_whose_vectors_are_locked_holds_up_nobody_else(backlog, corpus, org_id, user_id, database):
    other = UserId(f"{user_id} 2")

    async def publish_and_wait(user: UserId, said: str) -> None:
        await backlog.wait_for(org_id, (await corpus.publish(user, said)).interaction_ids)

    await publish_and_wait(user_id, "known")
    async with database.transaction(org_id) as holder:
        await user_versions.bump(holder, org_id, [user_id])
        waits = asyncio.create_task(publish_and_wait(user_id, "waits"))
        async with asyncio.timeout(10):
            for number in range(3):
                await publish_and_wait(other, f"goes on {number}")
        assert not waits.done()
        await holder.rollback()
    async with asyncio.timeout(10):
        await waits
    assert await backlog.counts(org_id) == (0, 0, None)
