"""Age limits: exactly what is older goes, whole, whoever does it."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import Image, NewInteraction
from reflexio_server.domain.request import DeletedCounts
from reflexio_server.publish import retention as retention_module
from reflexio_server.publish.housekeeping import Housekeeping
from reflexio_server.publish.retention import Retention
from reflexio_server.store import deletions, retention
from reflexio_server.store.database import Database
from reflexio_server.store.importing import ImportStore
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import PublicationStore
from sqlalchemy import text

from tests.store.consistency import violations
from tests.store.publishing import all_of, publication, rows
from tests.store.test_importing import record

HOUR = 3600 * 1_000_000_000
PICTURE = NewInteraction(content="a picture", image=Image(b"x", "image/png"))


async def store_old(database: Database, org_id: OrgId, user_id: UserId, hours: float, content: str) -> None:
    """Import a request that was stored so long ago."""
    ids = InteractionIds(database)
    first = await ids.take(2)
    one = replace(record(user_id, first, content, PICTURE), created_at=time.time_ns() - int(hours * HOUR))
    await ImportStore(database, ids, "english").add(org_id, one)


async def due(database: Database, org_id: OrgId) -> None:
    """Make it the organisation's turn."""
    async with database.autocommit(org_id) as connection:
        await connection.execute(
            text("update retention_policies set next_run = now() where org_id = :org_id"), {"org_id": org_id}
        )


async def test_what_is_older_goes_and_nothing_else(database: Database, org_id: OrgId, user_id: UserId):
    for hours, content in ((2.1, "old"), (100, "older"), (1.9, "young"), (0, "new")):
        await store_old(database, org_id, user_id, hours, content)
    other = OrgId(org_id + 1_000_000)
    await store_old(database, other, user_id, 100, "kept for ever")
    assert await Retention(database).apply() == DeletedCounts()
    await retention.set_max_age(database, org_id, 2 * 3600)
    assert await Retention(database).apply() == DeletedCounts(requests=2, interactions=4)
    assert {one.content for one in await all_of(database, org_id)} == {"young", "new", "a picture"}
    assert (await rows(database, org_id))["images"] == 2
    assert await violations(database, org_id) == {}
    assert len(await all_of(database, other)) == 2


async def test_the_age_is_that_of_the_request_and_not_of_what_it_tells(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    await store.add(
        org_id,
        publication(user_id, NewInteraction(content="long ago", created_at=0)),
        record(user_id, 1).request_id,
        time.time_ns(),
        30,
    )
    await retention.set_max_age(database, org_id, 3600)
    assert await Retention(database).apply() == DeletedCounts()
    assert len(await all_of(database, org_id)) == 1


async def test_several_servers_do_it_once_and_wait_until_it_is_time_again(
    database: Database, org_id: OrgId, user_id: UserId
):
    for _ in range(60):
        await store_old(database, org_id, user_id, 3, "old")
    await retention.set_max_age(database, org_id, 3600)
    counts = await asyncio.gather(*(Retention(database).apply() for _ in range(4)))
    assert sorted(one.requests for one in counts) == [0, 0, 0, 60]
    await store_old(database, org_id, user_id, 3, "old")
    assert await Retention(database).apply() == DeletedCounts()
    await due(database, org_id)
    assert await Retention(database).apply() == DeletedCounts(requests=1, interactions=2)


async def test_a_limit_that_is_taken_away_is_not_applied(database: Database, org_id: OrgId, user_id: UserId):
    await store_old(database, org_id, user_id, 3, "old")
    await retention.set_max_age(database, org_id, 3600)
    assert await retention.max_age(database, org_id) == 3600
    await retention.set_max_age(database, org_id, None)
    assert await retention.max_age(database, org_id) is None
    assert await Retention(database).apply() == DeletedCounts()


async def test_a_limit_that_is_taken_away_in_the_middle_saves_the_rest(
    database: Database, org_id: OrgId, user_id: UserId, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention_module, "_PORTION", 1)
    for _ in range(3):
        await store_old(database, org_id, user_id, 3, "old")
    await retention.set_max_age(database, org_id, 3600)
    delete_requests = deletions.delete_requests

    async def delete_and_take_away(*arguments: Any) -> DeletedCounts:
        gone = await delete_requests(*arguments)
        await retention.set_max_age(database, org_id, None)
        return gone

    monkeypatch.setattr(deletions, "delete_requests", delete_and_take_away)
    assert await Retention(database).apply() == DeletedCounts(requests=1, interactions=2)
    assert len(await all_of(database, org_id)) == 4


async def test_housekeeping_applies_it_in_the_background(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    await store_old(database, org_id, user_id, 3, "old")
    await retention.set_max_age(database, org_id, 3600)
    housekeeping = Housekeeping(database, store, Retention(database))
    housekeeping.start()
    try:
        async with asyncio.timeout(30):
            while await all_of(database, org_id):  # noqa: ASYNC110 -- only a read shows it.
                await asyncio.sleep(0.01)
    finally:
        await housekeeping.stop()
