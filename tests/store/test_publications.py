"""A publication is stored whole or not at all, and once under its key."""

import asyncio
import math
from dataclasses import fields, replace
from typing import Any

import pytest
from asyncpg import PostgresError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reflexio_server.domain.errors import IdempotencyKeyReused
from reflexio_server.domain.ids import OrgId, UserId, new_request_id
from reflexio_server.domain.interaction import Image, NewInteraction, ToolUse, UserAction
from reflexio_server.store import deletions, requests
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import KEY_LIFETIME_DAYS, PublicationStore
from reflexio_server.store.requests import RequestFilter
from sqlalchemy import text

from tests.store.publishing import EVERYTHING, all_of, publication, publish, rows

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON_OBJECTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)

EVERYTHING_SET = NewInteraction(
    role="Sales_Rep",
    content="What was said: “quotes”, \\ and 日本語 🙂",
    shadow_content="What another would have said",
    expert_content="What an expert would have said",
    user_action=UserAction.TYPE,
    user_action_description="typed into 'search'",
    interacted_image_url="https://example.com/a.png",
    image=Image(bytes(range(256)), "image/png"),
    tools_used=(ToolUse("search", {"q": ["a", {"b": None}], "n": 1.5}), ToolUse("empty", {})),
    created_at=-1_234_567_890_123_456_789,
)


async def test_every_field_comes_back(database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId):
    done = await publish(store, org_id, publication(user_id, EVERYTHING_SET, session_id="s 1", source="chat"))
    [found] = await all_of(database, org_id, user_id, with_images=True)
    for field in fields(NewInteraction):
        assert getattr(found, field.name) == getattr(EVERYTHING_SET, field.name), field.name
    assert (found.user_id, found.session_id) == (user_id, "s 1")
    assert (found.request_id, found.interaction_id) == (done.request_id, done.interaction_ids[0])
    assert found.has_image


async def test_an_image_comes_only_when_asked_for(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    await publish(store, org_id, publication(user_id, EVERYTHING_SET))
    [found] = await all_of(database, org_id, user_id)
    assert found.has_image
    assert found.image is None


@given(content=TEXTS, role=TEXTS, data=JSON_OBJECTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_can_be_said_comes_back_as_it_was(
    database: Database, store: PublicationStore, org_id: OrgId, content: str, role: str, data: dict[str, Any]
):
    user_id = UserId(str(new_request_id()))
    said = NewInteraction(role=role, content=content, tools_used=(ToolUse("tool", data),))
    await publish(store, org_id, publication(user_id, said))
    [found] = await all_of(database, org_id, user_id)
    assert (found.role, found.content) == (role, content)
    [tool] = found.tools_used
    assert _close(tool.tool_data, data)


def _close(found: Any, given: Any) -> bool:
    """Whether two JSON values are the same, numbers to the precision of a double."""
    if isinstance(given, dict):
        return found.keys() == given.keys() and all(_close(found[key], given[key]) for key in given)
    if isinstance(given, list):
        return len(found) == len(given) and all(map(_close, found, given))
    if isinstance(given, float):
        return math.isclose(found, given)
    return found == given


async def test_the_request_keeps_what_belongs_to_all(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    what = publication(user_id, "one", "two", "three", session_id="s", source="web")
    done = await publish(store, org_id, what)
    async with database.direct(org_id) as connection:
        [found], more = await requests.newest(connection, org_id, RequestFilter(), 10, most_bytes=EVERYTHING)
    assert not more
    assert found.request.request_id == done.request_id
    assert (found.request.user_id, found.request.session_id) == (user_id, "s")
    assert (found.request.source, found.request.agent_version) == ("web", "agent 1")
    assert [i.content for i in found.interactions] == ["one", "two", "three"]
    assert tuple(i.interaction_id for i in found.interactions) == done.interaction_ids


async def test_only_what_can_be_searched_is_queued_for_embedding(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    silent = [
        NewInteraction(user_action=UserAction.CLICK),
        NewInteraction(shadow_content="x"),
        NewInteraction(content=" "),
    ]
    described = NewInteraction(user_action_description="clicked 'buy'")
    done = await publish(store, org_id, publication(user_id, *silent, "spoken", described))
    async with database.autocommit(org_id) as connection:
        queued = await connection.execute(
            text("select interaction_id, leased_until > now() from embedding_queue where org_id = :org order by 1"),
            {"org": org_id},
        )
    assert [tuple(row) for row in queued] == [(i, True) for i in done.interaction_ids[3:]]


async def test_what_fails_leaves_nothing(database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId):
    bad = publication(user_id, "fine", EVERYTHING_SET, "not \0 storable", key="key")
    with pytest.raises(PostgresError):
        await publish(store, org_id, bad)
    unknown_config = PublicationStore(database, InteractionIds(database), "no_such_config")
    with pytest.raises(PostgresError):
        await publish(unknown_config, org_id, publication(user_id, EVERYTHING_SET, key="key"))
    assert await rows(database, org_id) == {}
    assert not (await publish(store, org_id, publication(user_id, "fine", key="key"))).repeated


async def test_a_repetition_gets_the_first_answer(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    what = publication(user_id, "one", "two", key="key")
    first = await publish(store, org_id, what)
    before = await rows(database, org_id)
    again = await publish(store, org_id, what)
    assert not first.repeated
    assert again == replace(first, repeated=True)
    assert await rows(database, org_id) == before


async def test_twenty_at_once_are_one(database: Database, org_id: OrgId, user_id: UserId):
    what = publication(user_id, "one", "two", EVERYTHING_SET, key="key")
    stores = [PublicationStore(database, InteractionIds(database), "english") for _ in range(20)]
    answers = await asyncio.gather(*(publish(store, org_id, what) for store in stores))
    assert [answer.repeated for answer in answers].count(False) == 1
    assert len({(answer.request_id, answer.interaction_ids) for answer in answers}) == 1
    expected = {"requests": 1, "idempotency_keys": 1, "interactions": 3, "images": 1, "embedding_queue": 3}
    assert await rows(database, org_id) == expected


async def test_two_contents_at_once_under_one_key_are_one_and_an_error(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    two = [publication(user_id, said, key="key") for said in ("one", "other")]
    answers = await asyncio.gather(*(publish(store, org_id, what) for what in two), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["IdempotencyKeyReused", "Publish"]
    assert (await rows(database, org_id))["interactions"] == 1


async def test_other_content_under_a_used_key_is_an_error(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    await publish(store, org_id, publication(user_id, "one", key="key"))
    before = await rows(database, org_id)
    with pytest.raises(IdempotencyKeyReused) as refused:
        await publish(store, org_id, publication(user_id, "other", key="key"))
    assert refused.value.metadata == {"idempotency_key": "key"}
    assert await rows(database, org_id) == before


async def test_a_repetition_does_not_bring_back_what_was_deleted(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    what = publication(user_id, "one", key="key")
    first = await publish(store, org_id, what)
    await deletions.delete_requests(database, org_id, [first.request_id])
    again = await publish(store, org_id, what)
    assert (again.request_id, again.repeated) == (first.request_id, True)
    assert await all_of(database, org_id) == []
    await deletions.delete_everything(database, org_id)
    assert (await publish(store, org_id, what)).repeated
    assert await all_of(database, org_id) == []


async def test_a_key_belongs_to_its_organisation(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    what = publication(user_id, "one", key="key")
    other = OrgId(org_id + 1_000_000)
    assert not (await publish(store, org_id, what)).repeated
    assert not (await publish(store, other, what)).repeated
    await deletions.delete_everything(database, other)


async def test_without_a_key_a_repetition_is_stored_again(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    what = publication(user_id, "one")
    assert (await publish(store, org_id, what)).request_id != (await publish(store, org_id, what)).request_id
    assert await rows(database, org_id) == {"requests": 2, "interactions": 2, "embedding_queue": 2}


async def test_keys_are_forgotten_when_they_are_old_and_not_before(
    database: Database, store: PublicationStore, org_id: OrgId, user_id: UserId
):
    old, recent = (publication(user_id, said, key=said) for said in ("old", "recent"))
    for what in (old, recent):
        await publish(store, org_id, what)
    age = text("""
        update idempotency_keys set created_at = now() - make_interval(days => :days, hours => :hours)
        where org_id = :org_id and idempotency_key = :key""")
    async with database.autocommit(org_id) as connection:
        for key, hours in (("old", 1), ("recent", -1)):
            values = {"org_id": org_id, "key": key, "days": KEY_LIFETIME_DAYS, "hours": hours}
            await connection.execute(age, values)
    await store.forget_old_keys()
    assert (await publish(store, org_id, recent)).repeated
    assert not (await publish(store, org_id, old)).repeated
