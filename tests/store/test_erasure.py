"""Erasing a user: everything, everywhere, for good; and at the same moment as everything else."""

import asyncio
import random

import pytest
from reflexio_server.domain.errors import IdempotencyKeyReused
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import Image, NewInteraction
from reflexio_server.domain.request import DeletedCounts
from reflexio_server.store import deletions, erasure, user_versions, vectors
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.tables import idempotency_keys, metadata
from reflexio_server.store.vectors import EmbeddedText
from sqlalchemy import func, select, text

from tests.store.consistency import violations
from tests.store.locking import held_up, somebody_waits
from tests.store.publishing import all_of, embed, publication, publish, rows

PICTURE = NewInteraction(content="a picture", image=Image(b"x", "image/png"))
OF_USERS = [table for table in metadata.sorted_tables if "user_id" in table.c]


async def of_user(database: Database, org_id: OrgId, user_id: UserId) -> dict[str, int]:
    """How many rows each table has that names users."""
    async with database.autocommit(org_id) as connection:
        return {
            table.name: await connection.scalar(
                select(func.count()).where(table.c.org_id == org_id, table.c.user_id == user_id)
            )
            for table in OF_USERS
        }


async def fill(database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId) -> DeletedCounts:
    """Put something of a user into every table. Returns what an erasure counts then."""
    first = await publish(store, org_id, publication(user_id, PICTURE, "embedded", "deleted", key=f"key of {user_id}"))
    texts = [EmbeddedText(user_id, i, [bytes(4)]) for i in first.interaction_ids]
    for model in ("one model", "another"):
        await vectors.store(database, org_id, model, 2, texts[:2] if model == "one model" else texts[2:])
    await deletions.delete_interaction(database, org_id, user_id, first.interaction_ids[2])
    await publish(store, org_id, publication(user_id, "queued"))
    return DeletedCounts(requests=2, interactions=3)


async def test_nothing_with_the_users_name_is_left_in_any_table(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    expected = await fill(database, store, org_id, user_id)
    there = await of_user(database, org_id, user_id)
    assert min(there.values()) > 0, f"this test is to put a row into each: {there}"
    assert await erasure.erase_user(database, org_id, user_id) == expected
    assert set((await of_user(database, org_id, user_id)).values()) == {0}
    assert await rows(database, org_id) == {"idempotency_keys": 1}
    assert await erasure.erase_user(database, org_id, user_id) == DeletedCounts()
    assert await rows(database, org_id) == {"idempotency_keys": 1}


async def test_other_users_and_other_organisations_keep_what_is_theirs(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    other, elsewhere = UserId(f"{user_id}-other"), OrgId(org_id + 1_000_000)
    for where, who in ((org_id, user_id), (org_id, other), (elsewhere, user_id)):
        await fill(database, store, where, who)
    before = await of_user(database, org_id, other), await of_user(database, elsewhere, user_id)
    await erasure.erase_user(database, org_id, user_id)
    assert (await of_user(database, org_id, other), await of_user(database, elsewhere, user_id)) == before
    await erasure.erase_user(database, elsewhere, user_id)


async def test_an_unknown_user_leaves_no_trace(database: Database, org_id: OrgId, user_id: UserId):
    assert await erasure.erase_user(database, org_id, user_id) == DeletedCounts()
    assert await rows(database, org_id) == {}


async def test_a_late_repetition_stores_nothing_and_no_digest_is_kept(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    what = publication(user_id, "secret", key="k")
    other = publication(user_id, "something else", key="k")
    first = await publish(store, org_id, what)
    with pytest.raises(IdempotencyKeyReused):
        await publish(store, org_id, other)
    # A key outlives its request: it must be found all the same.
    await deletions.delete_requests(database, org_id, [first.request_id])
    await erasure.erase_user(database, org_id, user_id)
    async with database.autocommit(org_id) as connection:
        [key] = (await connection.execute(select(idempotency_keys).where(idempotency_keys.c.org_id == org_id))).all()
    assert (key.user_id, key.fingerprint) == ("", b"")
    for again in (what, other):
        answer = await publish(store, org_id, again)
        assert (answer.request_id, answer.interaction_ids, answer.repeated) == (
            first.request_id,
            first.interaction_ids,
            True,
        )
    assert await rows(database, org_id) == {"idempotency_keys": 1}


async def store_vectors(database: Database, org_id: OrgId, user_id: UserId, ids) -> set:
    texts = [EmbeddedText(user_id, i, [bytes(4)]) for i in ids]
    while (stored := await vectors.store(database, org_id, "model", 2, texts)).busy:  # noqa: ASYNC110 -- Postgres' locks tell nobody.
        await asyncio.sleep(0.001)
    return stored.interaction_ids


@pytest.mark.parametrize("known", [True, False], ids=["known user", "new user"])
async def test_a_late_embedder_brings_nothing_back(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, known: bool
):
    done = await publish(store, org_id, publication(user_id, PICTURE, "x"))
    if known:
        await store_vectors(database, org_id, user_id, done.interaction_ids[:1])
    lock = "select from images where org_id = :org_id for update"
    async with held_up(database, lock, {"org_id": org_id}, lambda: erasure.erase_user(database, org_id, user_id)):
        embedding = asyncio.create_task(store_vectors(database, org_id, user_id, done.interaction_ids))
        removal = asyncio.create_task(deletions.delete_requests(database, org_id, [done.request_id]))
    assert await embedding == set()
    assert await removal == DeletedCounts()
    assert await rows(database, org_id) == {}
    assert await store_vectors(database, org_id, user_id, done.interaction_ids) == set()
    assert await rows(database, org_id) == {}


@pytest.mark.parametrize("table", ["requests", "interactions", "embedding_queue", "images"])
async def test_what_is_published_meanwhile_stays_whole_or_goes_whole(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, table: str
):
    await publish(store, org_id, publication(user_id, PICTURE))
    lock = f"select from {table} where org_id = :org_id for update"
    async with held_up(database, lock, {"org_id": org_id}, lambda: erasure.erase_user(database, org_id, user_id)):
        await publish(store, org_id, publication(user_id, PICTURE, PICTURE))
    assert await violations(database, org_id) == {}
    assert len(await all_of(database, org_id)) in {0, 2}


async def test_a_user_who_comes_back_has_a_later_version_than_ever_before(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    """Also where whoever makes the new row had begun before the last version of the old one was drawn."""
    first = await publish(store, org_id, publication(user_id, "x", "y"))
    await store_vectors(database, org_id, user_id, first.interaction_ids[:1])

    async def bump() -> int:
        async with database.transaction(org_id) as connection:
            versions = await user_versions.bump(connection, org_id, [user_id])
            await connection.commit()
        return versions[user_id]

    lock = "select from user_versions where org_id = :org_id for update"
    async with database.transaction(org_id) as holder:
        await holder.execute(text(lock), {"org_id": org_id})
        waiting = asyncio.create_task(bump())
        await somebody_waits(database, waiting)
        newest = (await holder.execute(text("select nextval('user_versions_sequence')"))).scalar_one()
        # As a bump and an erasure would have done that stood in the line before it; the queue's row is a publish's.
        await holder.execute(text("delete from user_versions where org_id = :org_id"), {"org_id": org_id})
        await holder.commit()
    assert await waiting > newest


async def test_a_storm_leaves_nothing_half_and_nothing_at_the_end(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    dice = random.Random(5)
    users = [UserId(f"{user_id} {n}") for n in range(3)]

    async def write() -> None:
        for _ in range(12):
            user = dice.choice(users)
            done = await publish(store, org_id, publication(user, PICTURE, "x"))
            await store_vectors(database, org_id, user, done.interaction_ids)

    async def remove() -> None:
        for _ in range(12):
            if dice.randrange(3):
                await erasure.erase_user(database, org_id, dice.choice(users))
            elif found := await all_of(database, org_id):
                await deletions.delete_requests(database, org_id, [dice.choice(found).request_id])

    async with asyncio.timeout(30):
        await asyncio.gather(*(write() for _ in range(3)), *(remove() for _ in range(3)))
    assert await violations(database, org_id) == {}
    await embed(database, org_id)
    for user in users:
        await erasure.erase_user(database, org_id, user)
    assert await rows(database, org_id) == {}
