"""Lists of requests with their interactions."""

import pytest
from reflexio_server.domain.ids import OrgId, RequestId, SessionId, UserId, new_request_id
from reflexio_server.domain.interaction import Image, NewInteraction
from reflexio_server.domain.request import PublishedRequest
from reflexio_server.store import deletions, requests
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.published_rows import _OVERHEAD_BYTES
from reflexio_server.store.requests import RequestFilter

from tests.store.publishing import EVERYTHING, publication, publish


@pytest.fixture
def newest(database: Database, org_id: OrgId):
    """Reads a page."""

    async def read(
        where: RequestFilter | None = None, limit: int = 100, most_bytes: int = EVERYTHING, **options: object
    ) -> tuple[list[PublishedRequest], bool]:
        async with database.direct(org_id) as connection:
            found, more = await requests.newest(
                connection, org_id, where or RequestFilter(), limit, most_bytes=most_bytes, **options
            )
        return list(found), more

    return read


@pytest.fixture
async def published(store: PublicationStore, org_id: OrgId, user_id: UserId) -> list[RequestId]:
    """Eight requests at the moments 0 to 7, of two interactions each: user a or b, session s or none."""
    ids = []
    for n in range(8):
        user = UserId(f"{user_id}-{'ab'[n % 2]}")
        what = publication(user, f"{n} first", f"{n} second", session_id="s" if n < 4 else "")
        ids.append((await store.add(org_id, what, new_request_id(), n, 30)).request_id)
    return ids


def numbers(found: list[PublishedRequest]) -> list[int]:
    return [entry.request.created_at for entry in found]


async def test_newest_first_with_interactions_as_they_were_published(newest, published):
    found, more = await newest()
    assert (numbers(found), more) == ([7, 6, 5, 4, 3, 2, 1, 0], False)
    assert [[i.content for i in entry.interactions] for entry in found[:2]] == [
        ["7 first", "7 second"],
        ["6 first", "6 second"],
    ]


async def test_conditions(newest, published, user_id: UserId):
    user = UserId(f"{user_id}-a")
    assert numbers((await newest(RequestFilter(user_id=user)))[0]) == [6, 4, 2, 0]
    assert numbers((await newest(RequestFilter(session_id=SessionId("s"))))[0]) == [3, 2, 1, 0]
    assert numbers((await newest(RequestFilter(session_id=SessionId("s"), user_id=user)))[0]) == [2, 0]
    assert numbers((await newest(RequestFilter(request_id=published[5])))[0]) == [5]
    assert numbers((await newest(RequestFilter(start_time=2, end_time=4)))[0]) == [4, 3, 2]
    assert numbers((await newest(RequestFilter(request_id=published[5], user_id=user)))[0]) == []


async def test_pages_and_skips(newest, published):
    found, more = await newest(limit=3)
    assert (numbers(found), more) == ([7, 6, 5], True)
    last = found[-1].request
    found, more = await newest(limit=3, after=(last.created_at, last.request_id))
    assert (numbers(found), more) == ([4, 3, 2], True)
    found, more = await newest(limit=3, after=(last.created_at, last.request_id), skip=3)
    assert (numbers(found), more) == ([1, 0], False)
    assert await newest(skip=8) == ([], False)
    assert await newest(skip=2**31 - 1) == ([], False)


async def test_requests_of_one_moment_all_come(newest, store: PublicationStore, org_id: OrgId, user_id: UserId):
    ids = {(await store.add(org_id, publication(user_id, "x"), new_request_id(), 5, 30)).request_id for _ in range(7)}
    found: set[RequestId] = set()
    after, more = None, True
    while more:
        page, more = await newest(limit=2, after=after)
        assert not found & {entry.request.request_id for entry in page}
        found |= {entry.request.request_id for entry in page}
        after = (page[-1].request.created_at, page[-1].request.request_id)
    assert found == ids


async def test_a_request_without_interactions_stays_until_it_is_deleted(
    newest, database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    done = await publish(store, org_id, publication(user_id, "x"))
    await deletions.delete_interaction(database, org_id, user_id, done.interaction_ids[0])
    [entry], _ = await newest()
    assert (entry.request.request_id, entry.interactions) == (done.request_id, ())


async def test_a_page_stops_before_it_becomes_too_large(
    newest, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    for _ in range(4):
        await publish(store, org_id, publication(user_id, NewInteraction(content="é" * 500, role="")))
    found, more = await newest(most_bytes=2 * (1000 + _OVERHEAD_BYTES))
    assert (len(found), more) == (2, True)
    found, more = await newest(most_bytes=10)
    assert (len(found), more) == (1, True)
    found, more = await newest(most_bytes=4 * (1000 + _OVERHEAD_BYTES))
    assert (len(found), more) == (4, False)


async def test_images_count_and_come_when_they_are_asked_for(
    newest, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    for _ in range(3):
        await publish(store, org_id, publication(user_id, NewInteraction(image=Image(b"x" * 1000, "image/png"))))
    found, _ = await newest(most_bytes=2100 + 3 * _OVERHEAD_BYTES)
    assert len(found) == 3
    assert found[0].interactions[0].image is None
    found, more = await newest(most_bytes=2100 + 3 * _OVERHEAD_BYTES, with_images=True)
    assert (len(found), more) == (2, True)
    assert found[0].interactions[0].image == Image(b"x" * 1000, "image/png")


async def test_another_organisation_sees_nothing_of_it(database: Database, published, org_id: OrgId):
    async with database.direct(org_id) as connection:
        where = RequestFilter(request_id=published[0])
        found, _ = await requests.newest(connection, OrgId(org_id + 1_000_000), where, 10, most_bytes=EVERYTHING)
    assert list(found) == []
