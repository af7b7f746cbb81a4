"""Importing: under the ids that requests have, whole, once, and never in the way of what is published."""

import asyncio
from dataclasses import replace

import pytest
from reflexio_server.domain.errors import ImportConflict
from reflexio_server.domain.ids import InteractionId, OrgId, UserId, new_request_id
from reflexio_server.domain.interaction import Image, NewInteraction
from reflexio_server.domain.request import ImportOutcome, RequestRecord
from reflexio_server.store import deletions, export
from reflexio_server.store.database import Database
from reflexio_server.store.importing import ImportStore
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.tables import INTERACTION_ID_BLOCK

from tests.store.consistency import violations
from tests.store.publishing import all_of, publication, publish, rows

PICTURE = NewInteraction(content="a picture", image=Image(b"x", "image/png"))


@pytest.fixture
def imports(database: Database) -> ImportStore:
    """Where imports go, on a server that has drawn no ids."""
    return ImportStore(database, InteractionIds(database), "english")


def record(user_id: UserId, first_id: int, *said: str | NewInteraction) -> RequestRecord:
    content = publication(user_id, *said, session_id="s")
    ids = tuple(InteractionId(first_id + n) for n in range(len(said)))
    return RequestRecord(new_request_id(), 1_600_000_000_123_456_789, content, ids)


async def records(database: Database, org_id: OrgId, *, with_images: bool = True) -> list[RequestRecord]:
    async with export.snapshot(database, org_id, None) as snapshot:
        totals = await snapshot.totals()
        found = [one async for one in snapshot.records(with_images=with_images)]
    assert (totals.requests, totals.interactions) == (len(found), sum(len(one.interaction_ids) for one in found))
    return found


async def far_ahead(store: PublicationStore) -> int:
    """An id that no server holds a block for."""
    return await store.interaction_ids.take(1) + 1000 * INTERACTION_ID_BLOCK


async def test_what_is_imported_is_as_it_was_and_waits_for_the_embedder(
    database: Database, store: PublicationStore, imports: ImportStore, org_id: OrgId, user_id: UserId
):
    one = record(user_id, await far_ahead(store), PICTURE, "x", NewInteraction(image=Image(b"y", "image/gif")))
    assert await imports.add(org_id, one) is ImportOutcome.IMPORTED
    assert await imports.add(org_id, one) is ImportOutcome.ALREADY_THERE
    [found] = await records(database, org_id)
    assert (found.request_id, found.created_at, found.interaction_ids) == (
        one.request_id,
        one.created_at,
        one.interaction_ids,
    )
    assert found.content.interactions == one.content.interactions
    assert await rows(database, org_id) == {"requests": 1, "interactions": 3, "images": 2, "embedding_queue": 2}
    assert await violations(database, org_id) == {}
    [bare] = await records(database, org_id, with_images=False)
    assert bare.images_omitted == {one.interaction_ids[0], one.interaction_ids[2]}


async def test_a_request_that_lost_interactions_is_there_all_the_same(
    database: Database, store: PublicationStore, imports: ImportStore, org_id: OrgId, user_id: UserId
):
    one = record(user_id, await far_ahead(store), "x", "y")
    await imports.add(org_id, one)
    await deletions.delete_interaction(database, org_id, user_id, one.interaction_ids[0])
    assert await imports.add(org_id, one) is ImportOutcome.ALREADY_THERE
    assert len(await all_of(database, org_id)) == 1


async def test_an_empty_request_is_imported(database: Database, imports: ImportStore, org_id: OrgId, user_id: UserId):
    one = record(user_id, 1)
    assert await imports.add(org_id, one) is ImportOutcome.IMPORTED
    assert await imports.add(org_id, one) is ImportOutcome.ALREADY_THERE
    assert [found.interaction_ids for found in await records(database, org_id)] == [()]


@pytest.mark.parametrize("change", ["user", "session", "time", "interactions"])
async def test_ids_of_something_else_are_a_conflict_and_nothing_is_stored(
    database: Database, store: PublicationStore, imports: ImportStore, org_id: OrgId, user_id: UserId, change: str
):
    first = record(user_id, await far_ahead(store), "x", "y")
    await imports.add(org_id, first)
    other = {
        "user": replace(first, content=replace(first.content, user_id=UserId("other"))),
        "session": replace(first, content=replace(first.content, session_id="other")),
        "time": replace(first, created_at=first.created_at + 1),
        "interactions": record(user_id, first.interaction_ids[1], "z", PICTURE),
    }[change]
    before = await rows(database, org_id)
    with pytest.raises(ImportConflict) as refused:
        await imports.add(org_id, other)
    assert refused.value.metadata["id"] == ("interaction_id" if change == "interactions" else "request_id")
    assert await rows(database, org_id) == before
    assert await imports.add(OrgId(org_id + 1_000_000), first) is ImportOutcome.IMPORTED


async def test_ids_given_later_lie_behind_what_was_imported(
    database: Database, store: PublicationStore, imports: ImportStore, org_id: OrgId, user_id: UserId
):
    one = record(user_id, await far_ahead(store), "x")
    await imports.add(org_id, one)
    assert await InteractionIds(database).take(1) > one.interaction_ids[0]


async def test_a_server_whose_block_was_used_takes_other_ids(
    database: Database, store: PublicationStore, imports: ImportStore, org_id: OrgId, user_id: UserId
):
    held = await store.interaction_ids.take(1)
    # All that is left of its block, so that no id of it is of use.
    for start in range(held + 1, held + INTERACTION_ID_BLOCK, 100):
        await imports.add(org_id, record(user_id, start, *["x"] * 100))
    done = await publish(store, org_id, publication(user_id, "y", PICTURE, key="k"))
    assert done.interaction_ids[0] > held + INTERACTION_ID_BLOCK
    again = await publish(store, org_id, publication(user_id, "y", PICTURE, key="k2"))
    assert again.interaction_ids[0] == done.interaction_ids[-1] + 1
    assert await violations(database, org_id) == {}


async def test_many_servers_publish_while_others_import(database: Database, org_id: OrgId, user_id: UserId):
    """Every publish succeeds; every import does or is a conflict; no id is given twice."""
    servers = [PublicationStore(database, InteractionIds(database), "english") for _ in range(3)]
    importers = [ImportStore(database, InteractionIds(database), "english") for _ in range(3)]
    start = await servers[0].interaction_ids.take(1)
    conflicts = 0

    async def published(server: PublicationStore) -> None:
        for _ in range(15):
            await publish(server, org_id, publication(user_id, *["x"] * 50))

    async def imported(importer: ImportStore, offset: int) -> None:
        nonlocal conflicts
        for n in range(15):
            try:
                await importer.add(org_id, record(user_id, start + offset + n * 400, *["y"] * 50))
            except ImportConflict:
                conflicts += 1

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(published(server) for server in servers), *(imported(i, 100 * n) for n, i in enumerate(importers))
        )
    assert len(await records(database, org_id)) == 90 - conflicts
    assert await violations(database, org_id) == {}


async def test_nobody_draws_while_the_sequence_is_advanced(database: Database):
    """Neither two who advance it nor one who draws meanwhile ever set it back: no block is given twice."""
    drawn: list[int] = []
    first = await InteractionIds(database).take(INTERACTION_ID_BLOCK)

    async def draw() -> None:
        drawn.extend([await InteractionIds(database).take(INTERACTION_ID_BLOCK) for _ in range(20)])

    async def advance(step: int) -> None:
        for n in range(20):
            await InteractionIds(database).pass_over(first + (n * step) * INTERACTION_ID_BLOCK)

    await asyncio.gather(*(draw() for _ in range(3)), advance(7), advance(11), advance(13))
    assert len(set(drawn)) == len(drawn)


async def test_the_highest_ids_are_not_passed_over(database: Database):
    """Else what is published later would have ids that no import takes."""
    await InteractionIds(database).pass_over(2**53 - 1)
    assert await InteractionIds(database).take(1) < 2**52


async def test_a_snapshot_shows_one_moment(database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId):
    for n in range(3):
        await publish(store, org_id, publication(user_id, f"number {n}"))
    async with export.snapshot(database, org_id, user_id) as snapshot:
        assert (await snapshot.totals()).requests == 3
        await publish(store, org_id, publication(user_id, "later"))
        await deletions.delete_everything(database, org_id)
        found = [one async for one in snapshot.records(with_images=True)]
    assert [one.content.interactions[0].content for one in found] == ["number 0", "number 1", "number 2"]


async def test_pages_come_whole_and_in_order_whatever_their_size(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, monkeypatch: pytest.MonkeyPatch
):
    for n in range(12):
        await publish(store, org_id, publication(user_id, *["x" * 500] * (n % 4 + 1)))
    expected = await records(database, org_id)
    assert sorted(expected, key=lambda one: (one.created_at, one.request_id)) == expected
    for requests, size in ((1, 2**30), (5, 2**30), (200, 1), (200, 3000)):
        monkeypatch.setattr(export, "_PAGE_REQUESTS", requests)
        monkeypatch.setattr(export, "_PAGE_BYTES", size)
        assert await records(database, org_id) == expected
