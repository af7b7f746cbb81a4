"""What a search asks Postgres before it ranks: a version, what waits, and the words of the query, at one moment."""

import hashlib

import pytest
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store import search_state
from reflexio_server.store.search_state import QueryWord, SearchState
from reflexio_server.store.user_state import UserState
from sqlalchemy import text

from tests.contracts.corpus import Corpus, unit


@pytest.fixture
def corpus(database, org_id):
    return Corpus(database, org_id)


@pytest.fixture
def state(database, org_id, user_id):
    async def state(query="", config="english", *, with_waiting=True, org=org_id, user=user_id):
        return await search_state.read(database, org, user, query, config, with_waiting=with_waiting)

    return state


def hashed(stem):
    return int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4])


def words(*stems):
    return {QueryWord(hashed(stem), is_identifier=any(map(str.isdigit, stem))) for stem in stems}


def spellings(*stems):
    return {QueryWord(hashed(stem), is_identifier=True, if_it_occurs=True) for stem in stems}


async def test_of_a_user_who_never_was_there_is_nothing(state):
    assert await state("tea") == SearchState(UserState(None, None, None, False), None, (QueryWord(hashed("tea")),))


async def test_words_of_a_query_are_stems_each_once(state):
    found = (await state("Running to the lemons! And the lemon runs; zebra's")).query_words
    assert sorted(found, key=str) == sorted(words("run", "lemon", "zebra"), key=str)
    assert set((await state("die Häuser alter Häuser", "german")).query_words) == words("haus", "alt")
    assert set((await state("the of the", "simple")).query_words) == words("the", "of")


async def test_a_word_with_a_digit_is_an_identifier_and_has_other_spellings(state):
    found = (await state("where is order KP-2801?")).query_words
    assert set(found) == words("order", "kp", "2801") | spellings("orderkp2801", "kp2801")
    assert len(found) == len({word.hash for word in found})
    assert set((await state("kp2801")).query_words) == words("kp2801")
    assert set((await state("kp 2801 kp2801")).query_words) >= words("kp", "2801", "kp2801")


async def test_words_that_are_known_are_not_asked_for(state, database, org_id, user_id):
    known = tuple(words("tea"))
    for with_waiting in (False, True):
        found = await search_state.read(
            database, org_id, user_id, "lemons", "english", with_waiting=with_waiting, known_words=known
        )
        assert found.query_words == known


@pytest.mark.parametrize("query", ["", "  ", "the of and", "?!", "\N{SLIGHTLY SMILING FACE}"])
async def test_a_query_may_have_no_words(state, query):
    assert (await state(query)).query_words == ()


async def test_of_very_many_words_the_first_count(state):
    many = [f"word{n}" for n in range(100)]
    found = (await state(" ".join([*many, *many[::-1]]))).query_words
    assert {word for word in found if not word.if_it_occurs} == words(*many[:64])
    assert len(found) == 128


async def test_what_waits_comes_only_where_it_is_asked_for(corpus, user_id, state):
    published = await corpus.publish(user_id, "tea for two?", "lemons", role="Ann", session_id="s", source="web")
    short = await state("tea", with_waiting=False)
    assert (short.user.is_waiting, short.waiting) == (True, None)
    found = await state("tea two lemon")
    rows = found.waiting
    assert found.user.is_waiting
    assert sorted(rows.interaction_ids) == sorted(published.interaction_ids)
    assert (rows.piece_counts, rows.vectors) == ([0, 0], b"")
    assert (list(rows.roles), list(rows.session_ids), list(rows.sources)) == (["Ann"] * 2, ["s"] * 2, ["web"] * 2)
    assert rows.request_ids == published.request_id.bytes * 2
    first, own_words = 0, {}
    for interaction_id, count, asks in zip(rows.interaction_ids, rows.word_counts, rows.asks, strict=True):
        own = rows.words[4 * first : 4 * (first + count)]
        own_words[interaction_id] = {int.from_bytes(own[start : start + 4]) for start in range(0, len(own), 4)}
        assert asks is (interaction_id == published.interaction_ids[0])
        first += count
    assert set(found.query_words) == words("tea", "two", "lemon")
    ann, tea, two, lemon = map(hashed, ("ann", "tea", "two", "lemon"))
    assert [own_words[i] for i in published.interaction_ids] == [{ann, tea, two}, {ann, lemon}]


async def test_what_is_embedded_waits_no_more_and_gives_a_version(corpus, user_id, state):
    published = await corpus.publish(user_id, "tea", "lemons")
    assert (await state()).user.version is None
    await corpus.embed(user_id, published, unit(1), unit(2))
    embedded = await state("tea")
    assert (embedded.user.is_waiting, embedded.waiting) == (False, None)
    assert embedded.user.version is not None
    [late] = (await corpus.publish(user_id, "more")).interaction_ids
    waiting = await state("tea")
    assert (list(waiting.waiting.interaction_ids), waiting.user.version) == ([late], embedded.user.version)
    await corpus.delete(user_id, late)
    gone = await state("tea")
    assert (gone.user.is_waiting, gone.waiting) == (False, None)
    assert gone.user.version > embedded.user.version, "a deletion may have taken vectors"


async def test_what_a_model_failed_on_waits_unless_it_is_the_one_being_built(database, org_id, corpus, user_id, state):
    ids = (await corpus.publish(user_id, "tea", "lemons", "milk")).interaction_ids
    async with database.autocommit(org_id) as connection:
        for interaction_id, failed_model in zip(ids, (None, "another", None), strict=True):
            await connection.execute(
                text("""update embedding_queue set set_aside_reason = 'failed', failed_model = :model
                        where org_id = :org_id and interaction_id = :id"""),
                {"org_id": org_id, "id": interaction_id, "model": failed_model},
            )
    assert sorted((await state()).waiting.interaction_ids) == [ids[0], ids[2]]


async def test_nothing_of_other_users_and_organisations_comes(corpus, org_id, user_id, state):
    await corpus.add(user_id, unit(1))
    await corpus.publish(user_id, "tea")
    nothing = SearchState(UserState(None, None, None, False), None, ())
    assert await state(user=UserId(user_id + "2")) == nothing
    assert await state(org=OrgId(org_id + 1_000_000)) == nothing


async def test_of_very_many_that_wait_those_are_read_that_have_a_word_of_the_query(corpus, user_id, state):
    await corpus.publish(user_id, "an old lemon", "it's a \\ quoted 'lemon", *(f"tea {n}" for n in range(300)))
    found = await state("lemon's \\ ' kp-9999")
    assert len(found.waiting.interaction_ids) == 256 + 2
    assert len((await state("something else")).waiting.interaction_ids) == 256
    assert len((await state("")).waiting.interaction_ids) == 256
    assert len((await state("tea")).waiting.interaction_ids) == 300
