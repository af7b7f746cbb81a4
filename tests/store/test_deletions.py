"""Deletes are exact, complete, counted and repeatable."""

import pytest
from reflexio_server.domain.ids import NO_REQUEST, InteractionId, OrgId, SessionId, UserId
from reflexio_server.domain.interaction import Image, NewInteraction
from reflexio_server.domain.request import DeletedCounts, Publish
from reflexio_server.store import deletions
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore
from sqlalchemy import text

from tests.store.consistency import violations
from tests.store.publishing import all_of, embed, publication, publish, rows

SESSION = SessionId("session")
PICTURE = NewInteraction(content="a picture", image=Image(b"x", "image/png"))


@pytest.fixture
async def theirs(database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId):
    """What must stay: another user's in the same session, and all of another organisation. Checked at the end."""
    other_user, other_org = UserId(user_id + " 2"), OrgId(org_id + 1_000_000)
    await publish(store, org_id, publication(other_user, PICTURE, session_id=SESSION))
    await publish(store, other_org, publication(user_id, PICTURE, session_id=SESSION))
    await embed(database, other_org)
    await publish(store, other_org, publication(user_id, PICTURE, session_id=SESSION))
    before = await all_of(database, org_id, other_user), await rows(database, other_org)
    yield other_user
    assert (await all_of(database, org_id, other_user), await rows(database, other_org)) == before
    await deletions.delete_everything(database, other_org)


async def _mine(database: Database, org_id: OrgId, user_id: UserId) -> list[str]:
    return [i.content for i in await all_of(database, org_id, user_id)]


async def _publish_embedded_and_queued(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, session_id: str = ""
) -> tuple[Publish, Publish]:
    first = await publish(store, org_id, publication(user_id, "embedded", PICTURE, session_id=session_id))
    await embed(database, org_id)
    return first, await publish(store, org_id, publication(user_id, "queued", PICTURE, session_id=session_id))


@pytest.mark.parametrize("embedded", [True, False])
async def test_an_interaction_goes_with_all_that_belongs_to_it(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, theirs: UserId, embedded: bool
):
    done = await publish(store, org_id, publication(user_id, PICTURE, "stays"))
    if embedded:
        await embed(database, org_id)
    gone = await deletions.delete_interaction(database, org_id, user_id, done.interaction_ids[0])
    assert gone == DeletedCounts(interactions=1)
    assert await _mine(database, org_id, user_id) == ["stays"]
    assert await violations(database, org_id) == {}
    again = await deletions.delete_interaction(database, org_id, user_id, done.interaction_ids[0])
    assert again == DeletedCounts()


async def test_an_interaction_of_somebody_else_stays(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, theirs: UserId
):
    [other] = await all_of(database, org_id, theirs)
    for org, user, interaction_id in (
        (org_id, user_id, other.interaction_id),
        (OrgId(org_id + 1_000_000), theirs, other.interaction_id),
        (org_id, theirs, InteractionId(2**62)),
    ):
        assert await deletions.delete_interaction(database, org, user, interaction_id) == DeletedCounts()


async def test_requests_go_with_all_that_belongs_to_them(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, theirs: UserId
):
    first, second = await _publish_embedded_and_queued(database, store, org_id, user_id)
    kept = await publish(store, org_id, publication(user_id, "stays"))
    ids = [first.request_id, second.request_id, NO_REQUEST, first.request_id]
    assert await deletions.delete_requests(database, org_id, ids) == DeletedCounts(requests=2, interactions=4)
    assert [i.request_id for i in await all_of(database, org_id, user_id)] == [kept.request_id]
    assert await violations(database, org_id) == {}
    assert await deletions.delete_requests(database, org_id, ids) == DeletedCounts()
    assert await deletions.delete_requests(database, org_id, []) == DeletedCounts()


async def test_an_empty_request_can_be_deleted(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    done = await publish(store, org_id, publication(user_id, "x"))
    await deletions.delete_interaction(database, org_id, user_id, done.interaction_ids[0])
    assert await deletions.delete_requests(database, org_id, [done.request_id]) == DeletedCounts(requests=1)


async def test_a_session_goes_of_all_its_users(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    other_user = UserId(user_id + " 2")
    await _publish_embedded_and_queued(database, store, org_id, user_id, SESSION)
    await publish(store, org_id, publication(other_user, "x", session_id=SESSION))
    for session_id in ("", "session 2", "Session"):
        await publish(store, org_id, publication(user_id, f"in {session_id!r}", session_id=session_id))
    gone = await deletions.delete_session(database, org_id, SESSION, None)
    assert gone == DeletedCounts(requests=3, interactions=5)
    assert await _mine(database, org_id, user_id) == ["in 'Session'", "in 'session 2'", "in ''"]
    assert await _mine(database, org_id, other_user) == []
    assert await violations(database, org_id) == {}
    assert await deletions.delete_session(database, org_id, SESSION, None) == DeletedCounts()


async def test_a_session_goes_of_one_user(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, theirs: UserId
):
    await _publish_embedded_and_queued(database, store, org_id, user_id, SESSION)
    gone = await deletions.delete_session(database, org_id, SESSION, user_id)
    assert gone == DeletedCounts(requests=2, interactions=4)
    assert await _mine(database, org_id, user_id) == []
    assert await violations(database, org_id) == {}


async def test_no_session_is_none_that_can_be_deleted(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    await publish(store, org_id, publication(user_id, "x"))
    assert await deletions.delete_session(database, org_id, SessionId(""), None) == DeletedCounts()
    assert await _mine(database, org_id, user_id) == ["x"]


async def test_everything_goes_of_one_organisation(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    other_org = OrgId(org_id + 1_000_000)
    for org in (org_id, other_org):
        await _publish_embedded_and_queued(database, store, org, user_id, SESSION)
    before = await rows(database, other_org)
    assert await deletions.delete_everything(database, org_id) == DeletedCounts(requests=2, interactions=4)
    # The users' versions stay: partitions in memory must see that they are stale.
    assert await rows(database, org_id) == {"user_versions": 1}
    assert await rows(database, other_org) == before
    assert await deletions.delete_everything(database, org_id) == DeletedCounts()
    await deletions.delete_everything(database, other_org)


@pytest.mark.parametrize(("count", "listed"), [(1000, True), (1001, False)])
async def test_a_large_deletion_makes_caches_load_afresh(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId, count: int, listed: bool
):
    await publish(store, org_id, publication(user_id, "stays"))
    for start in range(0, count, 1000):
        texts = ["x"] * min(1000, count - start)
        await publish(store, org_id, publication(user_id, *texts, session_id=SESSION))
    await embed(database, org_id)
    gone = await deletions.delete_session(database, org_id, SESSION, None)
    assert gone.interactions == count
    query = text("select version, reload_before from user_versions where org_id = :org_id")
    lists = text("select cardinality(interaction_ids) from vector_deletions where org_id = :org_id")
    async with database.autocommit(org_id) as connection:
        version, reload_before = (await connection.execute(query, {"org_id": org_id})).one()
        found = list((await connection.execute(lists, {"org_id": org_id})).scalars())
    assert (found, reload_before == version) == (([count], False) if listed else ([], True))


async def test_of_a_user_without_vectors_no_version_stays(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    for count in (1, 1001):
        done = [
            await publish(store, org_id, publication(user_id, *["x"] * min(count, 1000)))
            for _ in range(1 + count // 1000)
        ]
        await deletions.delete_interaction(database, org_id, user_id, done[0].interaction_ids[0])
        await deletions.delete_requests(database, org_id, [published.request_id for published in done])
        assert await rows(database, org_id) == {}


async def test_every_way_of_deleting_tells_caches(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    async def version() -> tuple[int, int]:
        query = text("select version, reload_before from user_versions where org_id = :org_id and user_id = :user_id")
        async with database.autocommit(org_id) as connection:
            return tuple((await connection.execute(query, {"org_id": org_id, "user_id": user_id})).one())

    async def recorded() -> list[int]:
        query = text(
            "select unnest(interaction_ids) from vector_deletions where org_id = :org_id and version = :version"
        )
        async with database.autocommit(org_id) as connection:
            values = {"org_id": org_id, "version": (await version())[0]}
            return sorted((await connection.execute(query, values)).scalars())

    done = [
        await publish(store, org_id, publication(user_id, "one", "two", session_id=session))
        for session in ("", "", SESSION, "")
    ]
    await embed(database, org_id)
    seen = [await version()]
    await deletions.delete_interaction(database, org_id, user_id, done[0].interaction_ids[0])
    seen.append(await version())
    assert await recorded() == [done[0].interaction_ids[0]]
    await deletions.delete_requests(database, org_id, [done[1].request_id])
    seen.append(await version())
    assert await recorded() == list(done[1].interaction_ids)
    await deletions.delete_session(database, org_id, SESSION, None)
    seen.append(await version())
    assert await recorded() == list(done[2].interaction_ids)
    await deletions.delete_everything(database, org_id)
    seen.append(await version())
    assert seen[-1][1] == seen[-1][0], "partitions are to be loaded afresh"
    assert [v for v, _ in seen] == sorted({v for v, _ in seen}), "each is newer than the one before"
