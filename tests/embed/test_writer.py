"""Storing vectors beside those who change other vectors of the same users."""

import asyncio

from reflexio_server.domain.ids import UserId
from reflexio_server.store import user_versions


async def test_a_user_whose_vectors_are_locked_holds_up_nobody_else(backlog, corpus, org_id, user_id, database):
    other = UserId(f"{user_id} 2")

    async def publish_and_wait(user: UserId, said: str) -> None:
        await backlog.wait_for(org_id, (await corpus.publish(user, said)).interaction_ids)

    await publish_and_wait(user_id, "known")
    async with database.transaction() as holder:
        await user_versions.bump(holder, org_id, [user_id])
        waits = asyncio.create_task(publish_and_wait(user_id, "waits"))
        async with asyncio.timeout(10):
            for number in range(3):
                await publish_and_wait(other, f"goes on {number}")
        assert not waits.done()
        await holder.rollback()
    async with asyncio.timeout(10):
        await waits
    assert await backlog.counts(org_id) == (0, 0)
