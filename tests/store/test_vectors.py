"""Vectors in Postgres: stored once, with a version, and read as changes."""

import asyncio
import hashlib
import itertools
from collections import Counter

import pytest
from reflexio_server.domain.ids import UserId
from reflexio_server.store import user_versions, vectors
from sqlalchemy import text

from tests.contracts.corpus import DIMENSION, MODEL, Corpus, unit


@pytest.fixture
def corpus(database, org_id):
    return Corpus(database, org_id)


@pytest.fixture
def changes(database, org_id, user_id):
    async def changes(since=0, deletions_since=0, portion=1000, model=MODEL, dimension=DIMENSION):
        return await vectors.changes(
            database,
            org_id,
            user_id,
            model,
            dimension,
            vectors_since=since,
            deletions_since=deletions_since,
            portion=portion,
        )

    return changes


async def version_of(database, org_id, user_id):
    query = text("select version from user_versions where org_id = :org_id and user_id = :user_id")
    async with database.autocommit(org_id) as connection:
        return await connection.scalar(query, {"org_id": org_id, "user_id": user_id})


def word_hash(stem):
    return hashlib.sha256(stem.encode()).digest()[:4]


def chunks(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def texts_of(user_id, published):
    return [vectors.EmbeddedText(user_id, id_, [unit(1).astype("<f2").tobytes()]) for id_ in published.interaction_ids]


async def test_storing_takes_from_the_queue_and_only_once(database, org_id, corpus, user_id):
    published = await corpus.publish(user_id, "one", "two")
    texts = texts_of(user_id, published)
    stored = await asyncio.gather(*(vectors.store(database, org_id, MODEL, DIMENSION, texts) for _ in range(4)))
    assert sorted(len(s.interaction_ids) for s in stored) == [0, 0, 0, 2]
    async with database.autocommit(org_id) as connection:
        query = text(
            "select (select count(*) from vectors where org_id = :o), count(*) from embedding_queue where org_id = :o"
        )
        assert tuple((await connection.execute(query, {"o": org_id})).one()) == (2, 0)


async def test_several_users_are_stored_together_in_any_order(database, org_id, corpus):
    users = [UserId(f"user {number}") for number in range(10)]
    published = {user: await corpus.publish(user, "said") for user in users}

    async def store(order):
        await vectors.store(
            database, org_id, MODEL, DIMENSION, [t for user in order for t in texts_of(user, published[user])]
        )

    await asyncio.gather(*(store(order) for order in (users, users[::-1], users[::2], users[1::2])))
    versions = [await version_of(database, org_id, user) for user in users]
    async with database.autocommit(org_id) as connection:
        count = await connection.scalar(text("select count(*) from vectors where org_id = :o"), {"o": org_id})
    assert None not in versions
    assert count == 10


async def test_a_user_whose_vectors_are_being_changed_holds_up_nobody_else(database, org_id, corpus):
    held, new, known = (UserId(name) for name in ("held", "new", "known"))
    for user in (held, known):
        await corpus.add(user, unit(1))
    published = {user: await corpus.publish(user, "said") for user in (held, new, known)}
    texts = [t for user in published for t in texts_of(user, published[user])]
    async with database.transaction(org_id) as holder:
        before = (await user_versions.bump(holder, org_id, [held]))[held]
        async with asyncio.timeout(10):
            stored = await vectors.store(database, org_id, MODEL, DIMENSION, texts)
        assert stored.busy == {held}
        assert stored.interaction_ids == {*published[new].interaction_ids, *published[known].interaction_ids}
        await holder.commit()
    again = await vectors.store(database, org_id, MODEL, DIMENSION, texts)
    assert (again.busy, again.interaction_ids) == (set(), set(published[held].interaction_ids))
    assert await version_of(database, org_id, held) > before


async def test_a_user_without_vectors_has_no_version(database, org_id, user_id, changes):
    assert await version_of(database, org_id, user_id) is None
    assert await changes() is None


async def test_changes_carry_what_filters_need(corpus, user_id, changes):
    published = await corpus.add(
        user_id, [unit(1), unit(0, 1)], created_at=42, session_id="s", role="Agent", source="web"
    )
    change = await changes()
    rows = change.added
    assert (list(rows.interaction_ids), list(rows.piece_counts)) == (list(published.interaction_ids), [2])
    assert (list(rows.created_ats), list(rows.session_ids)) == ([42], ["s"])
    assert (list(rows.roles), list(rows.sources), list(rows.asks)) == (["Agent"], ["web"], [False])
    assert rows.request_ids == published.request_id.bytes
    assert rows.vectors == b"".join(vector.astype("<f2").tobytes() for vector in (unit(1), unit(0, 1)))
    assert change.added_up_to == change.version
    assert await changes(since=change.version) == vectors.Changes(
        change.version, change.reload_before, [], None, change.version, None
    )


async def test_other_models_and_dimensions_do_not_mix(corpus, user_id, changes):
    await corpus.add(user_id, unit(1))
    assert (await changes(model="another")).added is None
    assert (await changes(dimension=DIMENSION + 1)).added is None


async def test_portions_keep_versions_whole_and_miss_nothing(corpus, user_id, changes):
    ids = []
    for _ in range(5):
        ids += (await corpus.add(user_id, unit(1), unit(2), unit(3))).interaction_ids
    read, since, steps = [], 0, 0
    while True:
        change = await changes(since=since, portion=2)
        read += change.added.interaction_ids if change.added else []
        since, steps = change.added_up_to, steps + 1
        if since == change.version and change.added is None:
            break
    assert read == ids
    assert steps == 6


async def test_deletions_are_told_from_the_version_on(corpus, user_id, changes):
    ids = (await corpus.add(user_id, unit(1), unit(2), unit(3))).interaction_ids
    before = (await changes()).version
    await corpus.delete(user_id, ids[0], ids[2])
    change = await changes(since=before, deletions_since=before)
    assert sorted(change.deleted) == [ids[0], ids[2]]
    assert change.added is None
    assert (await changes(deletions_since=change.version)).deleted == []
    assert list((await changes()).added.interaction_ids) == [ids[1]]


async def test_rows_of_several_interactions_belong_together(corpus, user_id, changes):
    said = [("one lemon", [unit(1)]), ("two lemons and two limes?", [unit(2, 1), unit(0, 1)]), ("", [unit(3, 1)])]
    published = await corpus.publish(user_id, *(content or "the of and" for content, _ in said), role="x")
    await corpus.embed(user_id, published, *(pieces for _, pieces in said))
    rows = (await changes()).added
    by_id = {}
    words, pieces = iter(chunks(rows.words, 4)), iter(chunks(rows.vectors, 2 * DIMENSION))
    for place, interaction_id in enumerate(rows.interaction_ids):
        by_id[interaction_id] = (
            rows.asks[place],
            Counter(itertools.islice(words, rows.word_counts[place])),
            list(itertools.islice(pieces, rows.piece_counts[place])),
        )
    assert (next(words, None), next(pieces, None)) == (None, None)
    x, lemon, lime, one, two = (word_hash(stem) for stem in ("x", "lemon", "lime", "one", "two"))
    stored = [[vector.astype("<f2").tobytes() for vector in of_one] for _, of_one in said]
    assert [by_id[interaction_id] for interaction_id in published.interaction_ids] == [
        (False, Counter({x: 1, one: 1, lemon: 1}), stored[0]),
        (True, Counter({x: 1, two: 2, lemon: 1, lime: 1}), stored[1]),
        (False, Counter({x: 1}), stored[2]),
    ]


async def test_vectors_that_are_stored_apart_come_together(database, org_id, corpus, user_id, changes):
    published = await corpus.add(user_id, [unit(1), unit(1, 2)], unit(1, 3), [unit(1, 4), unit(1, 5), unit(1, 6)])
    stored = (await changes()).added
    async with database.transaction(org_id) as connection:
        # To the end of the table, whose order those of one version have.
        moved = "with gone as (delete from vectors where chunk = 0 returning *) insert into vectors select * from gone"
        await connection.execute(text(moved))
        await connection.commit()
    rows = (await changes()).added
    assert list(rows.interaction_ids) == list(published.interaction_ids)
    assert list(rows.piece_counts) == [2, 1, 3]
    pieces, before = list(chunks(rows.vectors, 2 * DIMENSION)), list(chunks(stored.vectors, 2 * DIMENSION))
    assert pieces != before, "nothing was moved"
    assert [set(pieces[:2]), set(pieces[2:3]), set(pieces[3:])] == [set(before[:2]), set(before[2:3]), set(before[3:])]


async def test_words_that_an_older_server_did_not_store_are_computed(database, org_id, corpus, user_id, changes):
    published = await corpus.publish(user_id, "tea for two, tea for me", "nothing")
    await corpus.embed(user_id, published, [unit(1), unit(2)], [unit(3)])
    stored = (await changes()).added
    async with database.autocommit(org_id) as connection:
        query = "update vectors set words = null where org_id = :org_id and words is not null returning chunk"
        assert list(await connection.scalars(text(query), {"org_id": org_id})) == [0, 0], "beside the first vector only"
    assert (await changes()).added == stored
    assert sorted(stored.word_counts) == [2, 4], "the roles, twice tea and once two, and nothing"


@pytest.mark.parametrize(
    ("content", "asks"),
    [
        ("when?", True),
        ("when? now.", True),
        ("\N{FULLWIDTH QUESTION MARK}", True),
        ("\N{ARABIC QUESTION MARK} x", True),
        ("why\\uff1f", False),
        ("now.", False),
        ("\\", False),
        ("uff1f 061f [] \\u", False),
        ("\N{INVERTED QUESTION MARK}", False),
    ],
)
async def test_what_has_a_question_mark_asks(corpus, user_id, changes, content, asks):
    published = await corpus.publish(user_id, f"{content} tea")
    await corpus.embed(user_id, published, unit(1))
    assert list((await changes()).added.asks) == [asks]


async def test_words_survive_a_change_of_the_model(database, org_id, corpus, user_id, changes):
    """What a former model had vectors of is only given a new version: its words stay."""
    published = await corpus.publish(user_id, "tea for two")
    await corpus.embed(user_id, published, unit(1))
    before = (await changes()).added
    async with database.autocommit(org_id) as connection:
        query = "insert into embedding_queue (org_id, interaction_id, user_id, leased_until) values (:o, :i, :u, now())"
        [interaction_id] = published.interaction_ids
        await connection.execute(text(query), {"o": org_id, "i": interaction_id, "u": user_id})
    since = (await changes()).version
    await corpus.embed(user_id, published, unit(1))
    assert (await changes(since=since)).added == before
