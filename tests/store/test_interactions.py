"""Lists of interactions: in order of time, by conditions, by pages bounded in count and in bytes."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from reflexio_server.domain.ids import OrgId, RequestId, UserId
from reflexio_server.domain.interaction import Image, InteractionFilter, NewInteraction, Position
from reflexio_server.store import interactions
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore

from tests.store.publishing import EVERYTHING, publication, publish

ALL = InteractionFilter()


@pytest.fixture
def newest(database: Database, org_id: OrgId):
    """Reads a page: what was said, and whether more follows."""

    async def read(
        user_id: UserId | None,
        where: InteractionFilter = ALL,
        limit: int = 100,
        most_bytes: int = EVERYTHING,
        **options: object,
    ) -> tuple[list[str], bool]:
        async with database.autocommit(org_id) as connection:
            found, more = await interactions.newest(
                connection, org_id, user_id, where, limit, most_bytes=most_bytes, **options
            )
        return [i.content for i in found], more

    return read


@pytest.fixture
async def diary(store: PublicationStore, org_id: OrgId, user_id: UserId) -> UserId:
    """A user who said "0" to "9" at the moments 0 to 9, alternately as User and Agent, in two sessions and sources."""
    for n in reversed(range(10)):  # Published in the other order: time counts, not the order of arrival.
        said = NewInteraction(role="User" if n % 2 else "Agent", content=str(n), created_at=n)
        half = "first" if n < 5 else "second"
        await publish(store, org_id, publication(user_id, said, session_id=half, source=f"{half} source"))
    return user_id


async def test_newest_first(newest, diary: UserId):
    assert await newest(diary) == (list("9876543210"), False)


async def test_at_the_same_moment_the_later_of_a_publish_is_newer(newest, store, org_id: OrgId, user_id: UserId):
    said = [NewInteraction(content=str(n), created_at=5) for n in range(12)]
    await publish(store, org_id, publication(user_id, *said))
    assert (await newest(user_id))[0] == [str(n) for n in reversed(range(12))]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (InteractionFilter(role="User"), "97531"),
        (InteractionFilter(role="user"), ""),
        (InteractionFilter(session_id="first"), "43210"),
        (InteractionFilter(source="second source"), "98765"),
        (InteractionFilter(start_time=7), "987"),
        (InteractionFilter(end_time=2), "210"),
        (InteractionFilter(start_time=3, end_time=3), "3"),
        (InteractionFilter(most_recent_k=3), "987"),
        (InteractionFilter(most_recent_k=100), "9876543210"),
        (InteractionFilter(most_recent_k=4, role="Agent"), "86"),
        (InteractionFilter(most_recent_k=4, end_time=6), "6"),
        (InteractionFilter(role="User", session_id="first", start_time=2), "3"),
        (InteractionFilter(request_id=RequestId(UUID(int=2**100))), ""),
    ],
    ids=str,
)
async def test_conditions(newest, diary: UserId, where: InteractionFilter, said: str):
    assert await newest(diary, where) == (list(said), False)


async def test_by_request(newest, store, org_id: OrgId, diary: UserId):
    done = await publish(store, org_id, publication(diary, "one", "two"))
    assert (await newest(diary, InteractionFilter(request_id=done.request_id)))[0] == ["two", "one"]


@pytest.mark.parametrize("size", [1, 3, 5, 9, 10, 11])
async def test_pages_join_to_the_whole_list(database: Database, org_id: OrgId, diary: UserId, size: int):
    found: list[str] = []
    after: Position | None = None
    more = True
    async with database.autocommit(org_id) as connection:
        while more:
            page, more = await interactions.newest(
                connection, org_id, diary, ALL, size, after=after, most_bytes=EVERYTHING
            )
            assert len(page) == size or not more
            found += [i.content for i in page]
            after = (page[-1].created_at, page[-1].interaction_id)
    assert found == list("9876543210")


async def test_a_page_goes_on_in_the_middle_of_a_moment(newest, store, org_id: OrgId, user_id: UserId):
    said = [NewInteraction(content=str(n), created_at=5) for n in range(4)]
    done = await publish(store, org_id, publication(user_id, *said))
    assert (await newest(user_id, after=(5, done.interaction_ids[2])))[0] == ["1", "0"]


async def test_conditions_hold_on_later_pages_too(newest, diary: UserId):
    where = InteractionFilter(role="User", most_recent_k=6)
    assert await newest(diary, where, limit=2) == (["9", "7"], True)
    assert await newest(diary, where, after=(7, 2**62), limit=2) == (["7", "5"], False)


async def test_every_user_of_the_organisation_and_nobody_else(newest, store, org_id: OrgId, user_id: UserId):
    for user in ("a", "b"):
        await publish(store, org_id, publication(UserId(user_id + user), f"of {user}"))
    await publish(store, OrgId(org_id + 1_000_000), publication(user_id, "of another organisation"))
    assert (await newest(None))[0] == ["of b", "of a"]
    assert (await newest(UserId(user_id + "a")))[0] == ["of a"]
    assert (await newest(user_id))[0] == []


def _sizes(found: Sequence[str]) -> list[int]:
    return [len(content) for content in found]


async def test_a_page_stops_before_it_becomes_too_large(newest, store, org_id: OrgId, user_id: UserId):
    for _ in range(5):
        await publish(store, org_id, publication(user_id, NewInteraction(content="é" * 500, role="")))
    found, more = await newest(user_id, most_bytes=3000)
    assert (_sizes(found), more) == ([500] * 3, True)
    found, more = await newest(user_id, most_bytes=2999)
    assert (_sizes(found), more) == ([500] * 2, True)
    found, more = await newest(user_id, most_bytes=5000)
    assert (_sizes(found), more) == ([500] * 5, False)


async def test_a_page_has_one_at_least_however_large(newest, store, org_id: OrgId, user_id: UserId):
    await publish(store, org_id, publication(user_id, "x" * 5000, "y" * 5000))
    found, more = await newest(user_id, most_bytes=10)
    assert (_sizes(found), more) == ([5000], True)


async def test_images_count_when_they_are_asked_for(newest, store, org_id: OrgId, user_id: UserId):
    with_picture = NewInteraction(image=Image(b"x" * 1000, "image/png"))
    await publish(store, org_id, publication(user_id, *[with_picture] * 4))
    assert len((await newest(user_id, most_bytes=2100))[0]) == 4
    found, more = await newest(user_id, most_bytes=2100, with_images=True)
    assert (len(found), more) == (2, True)


async def test_fetching_leaves_out_what_does_not_exist_or_is_not_ours(
    database: Database, store, org_id: OrgId, user_id: UserId
):
    mine = await publish(store, org_id, publication(user_id, "mine"))
    others = await publish(store, OrgId(org_id + 1_000_000), publication(user_id, "others'"))
    wanted = [*mine.interaction_ids, *others.interaction_ids, 2**62]
    async with database.direct(org_id) as direct:
        found, state = await interactions.fetch(direct, org_id, user_id, wanted, with_images=False)
        nothing = await interactions.fetch(direct, org_id, user_id, [2**62], with_images=False)
    async with database.autocommit(org_id) as connection:
        sizes = await interactions.sizes(connection, org_id, wanted, with_images=False)
    assert [i.content for i in found.values()] == ["mine"]
    assert state is not None
    assert state.is_waiting
    assert nothing == ({}, None)
    assert list(sizes) == list(mine.interaction_ids)


async def test_the_place_of_the_kth_newest(database: Database, org_id: OrgId, diary: UserId):
    async with database.autocommit(org_id) as connection:
        for k, moment in ((1, 9), (10, 0)):
            place = await interactions.oldest_of_most_recent(connection, org_id, diary, k)
            assert place is not None
            assert place[0] == moment
        assert await interactions.oldest_of_most_recent(connection, org_id, diary, 11) is None
        assert await interactions.oldest_of_most_recent(connection, org_id, diary, None) is None


async def test_a_filter_without_conditions_is_the_same_as_none(newest, diary: UserId):
    assert await newest(diary, replace(ALL)) == await newest(diary)
