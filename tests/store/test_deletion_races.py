"""Deletes at the same moment as publishes, embedding and one another."""

import asyncio
import random

import pytest
from reflexio_server.domain.ids import OrgId, SessionId, UserId
from reflexio_server.domain.interaction import Image, NewInteraction
from reflexio_server.domain.request import DeletedCounts
from reflexio_server.store import deletions, vectors
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.vectors import EmbeddedText

from tests.store.consistency import violations
from tests.store.locking import held_up, somebody_waits
from tests.store.publishing import all_of, publication, publish, rows

PICTURE = NewInteraction(content="a picture", image=Image(b"x", "image/png"))


@pytest.mark.parametrize("table", ["requests", "interactions", "embedding_queue", "images"])
async def test_what_is_published_while_everything_is_deleted_stays_whole_or_goes_whole(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, table: str
):
    await publish(store, org_id, publication(user_id, PICTURE))
    lock = f"select from {table} where org_id = :org_id for update"
    async with held_up(database, lock, {"org_id": org_id}, lambda: deletions.delete_everything(database, org_id)):
        await publish(store, org_id, publication(user_id, PICTURE, PICTURE))
    assert await violations(database, org_id) == {}
    assert len(await all_of(database, org_id)) in {0, 2}


async def _embed_all(database: Database, org_id: OrgId, ids: list, user_id: UserId) -> set:
    texts = [EmbeddedText(user_id, interaction_id, [bytes(4), bytes(4)]) for interaction_id in ids]
    while (stored := await vectors.store(database, org_id, "model", 2, texts)).busy:  # noqa: ASYNC110 -- Postgres' locks tell nobody.
        await asyncio.sleep(0.001)
    return stored.interaction_ids


@pytest.mark.parametrize("known", [True, False], ids=["known user", "new user"])
@pytest.mark.parametrize("what", ["interaction", "request", "everything"])
async def test_an_embedder_that_comes_second_stores_nothing(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, what: str, known: bool
):
    if known:
        earlier = await publish(store, org_id, publication(user_id, "x"))
        await _embed_all(database, org_id, list(earlier.interaction_ids), user_id)
        await deletions.delete_requests(database, org_id, [earlier.request_id])
    done = await publish(store, org_id, publication(user_id, PICTURE))
    delete = {
        "interaction": lambda: deletions.delete_interaction(database, org_id, user_id, done.interaction_ids[0]),
        "request": lambda: deletions.delete_requests(database, org_id, [done.request_id]),
        "everything": lambda: deletions.delete_everything(database, org_id),
    }[what]
    lock = "select from images where org_id = :org_id for update"
    async with held_up(database, lock, {"org_id": org_id}, delete):
        embedding = asyncio.create_task(_embed_all(database, org_id, list(done.interaction_ids), user_id))
    assert await embedding == set()
    left = await rows(database, org_id)
    assert "vectors" not in left
    assert "embedding_queue" not in left


async def test_an_embedder_that_comes_first_loses_its_vectors_all_the_same(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    done = await publish(store, org_id, publication(user_id, "x"))
    lock = "select from embedding_queue where org_id = :org_id for update"
    ids = list(done.interaction_ids)
    async with held_up(database, lock, {"org_id": org_id}, lambda: _embed_all(database, org_id, ids, user_id)):
        deletion = asyncio.create_task(deletions.delete_everything(database, org_id))
        # Behind the embedder: else it could take the row in the moment in which nobody has the lock.
        await somebody_waits(database, deletion, 2)
    assert await deletion == DeletedCounts(requests=1, interactions=1)
    assert await rows(database, org_id) == {"user_versions": 1}


async def test_ten_deletes_of_one_thing_count_it_once(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    done = await publish(store, org_id, publication(user_id, "x", "y", session_id="s"))
    ways = [
        lambda: deletions.delete_requests(database, org_id, [done.request_id]),
        lambda: deletions.delete_session(database, org_id, SessionId("s"), None),
        lambda: deletions.delete_everything(database, org_id),
    ]
    counts = await asyncio.gather(*(ways[n % 3]() for n in range(10)))
    assert sum(c.requests for c in counts) == 1
    assert sum(c.interactions for c in counts) == 2


async def test_a_storm_of_publishes_embedding_and_deletes_leaves_nothing_half(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    dice = random.Random(3)
    users = [UserId(f"{user_id} {n}") for n in range(4)]

    async def write() -> None:
        for n in range(15):
            user = dice.choice(users)
            done = await publish(store, org_id, publication(user, PICTURE, "x", session_id=f"s{n % 3}"))
            await _embed_all(database, org_id, list(done.interaction_ids), user)

    async def remove() -> None:
        for _ in range(12):
            found = await all_of(database, org_id)
            chosen = {i.request_id for i in dice.sample(found, min(len(found), 6))}
            session_id = SessionId(f"s{dice.randrange(3)}")
            match dice.randrange(3):
                case 0:
                    await deletions.delete_requests(database, org_id, chosen)
                case 1:
                    await deletions.delete_session(database, org_id, session_id, dice.choice([*users, None]))
                case _:
                    await deletions.delete_everything(database, org_id)

    async with asyncio.timeout(30):
        await asyncio.gather(*(write() for _ in range(4)), *(remove() for _ in range(4)))
    assert await violations(database, org_id) == {}
