"""The embedding thread: who goes first, what goes together, and what one text does to the others."""

import asyncio

import numpy as np
import pytest
from reflexio_server.domain.errors import NotReady
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.embed import batching
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.embedder import ModelUnavailable
from reflexio_server.embed.sentence_transformer import SentenceTransformerEmbedder

from tests.embed.gate import GatedEmbedder
from tests.fakes.embedder import FakeEmbedder

LONG = " ".join(f"word{number}" for number in range(2000))


async def held_up(embedding, embedder):
    """A job that stands at the gate, so that what comes next has to wait."""
    embedder.close()
    job = embedding.embed_document("held up", wanted=False)
    await embedder.stopped()
    return job


async def finish(embedder, *jobs):
    embedder.open()
    return await asyncio.gather(*(job.result for job in jobs))


async def test_a_document_gets_a_vector_for_each_piece(embedding):
    short = await embedding.embed_document("I like tea", wanted=False).result
    assert np.allclose(short, FakeEmbedder().encode(["I like tea"]))
    long = await embedding.embed_document(LONG, wanted=True).result
    assert np.allclose(long, FakeEmbedder().encode(FakeEmbedder().split(LONG)))


async def test_small_texts_of_several_callers_go_together(embedding, embedder):
    first = await held_up(embedding, embedder)
    jobs = [embedding.embed_document(f"text {number}", wanted=False) for number in range(10)]
    await finish(embedder, first, *jobs)
    assert [sorted(batch) for batch in embedder.batches] == [["held up"], [f"text {n}" for n in range(10)]]


async def test_queries_overtake_what_is_wanted_and_that_overtakes_the_backlog(embedding, embedder):
    first = await held_up(embedding, embedder)
    backlog = embedding.embed_document("backlog", wanted=False)
    wanted = embedding.embed_document("wanted", wanted=True)
    query = asyncio.create_task(embedding.embed_query("query"))
    await asyncio.sleep(0)
    await finish(embedder, first, backlog, wanted)
    await query
    assert embedder.batches == [["held up"], ["query"], ["wanted"], ["backlog"]]


async def test_a_promoted_document_overtakes_the_backlog(embedding, embedder):
    first = await held_up(embedding, embedder)
    jobs = [embedding.embed_document(f"{number} " * 300, wanted=False) for number in range(5)]
    embedding.promote(jobs[3])
    await finish(embedder, first, *jobs)
    assert embedder.batches[1][0].startswith("3 ")


async def test_a_batch_is_bounded_by_its_length_and_joins_texts_of_like_length(embedding, embedder):
    first = await held_up(embedding, embedder)
    texts = [word * count for word, count in (("short ", 2), ("long ", 150)) for _ in range(30)]
    jobs = [embedding.embed_document(text, wanted=False) for text in texts]
    await finish(embedder, first, *jobs)
    for batch in embedder.batches:
        assert len(batch) == 1 or max(map(len, batch)) * len(batch) <= batching._BATCH_BYTES
        assert len({text.split()[0] for text in batch}) == 1
    assert sum(map(len, embedder.batches)) == 61


async def test_nobody_waits_for_all_of_a_long_text(embedding, embedder):
    first = await held_up(embedding, embedder)
    long = embedding.embed_document(LONG, wanted=False)
    short = embedding.embed_document("a short text", wanted=False)
    await finish(embedder, first, long, short)
    place = next(place for place, batch in enumerate(embedder.batches) if "a short text" in batch)
    assert place <= 3 < len(embedder.batches) - 3


async def test_one_bad_text_fails_alone(embedding, embedder):
    embedder.fails_on = "poison"
    first = await held_up(embedding, embedder)
    jobs = [embedding.embed_document(text, wanted=False) for text in ("good", "poison", "fine")]
    embedder.open()
    await first.result
    good, poison, fine = await asyncio.gather(*(job.result for job in jobs), return_exceptions=True)
    assert good.shape == fine.shape == (1, 64)
    assert isinstance(poison, RuntimeError)
    assert (await embedding.embed_document("after that", wanted=False).result).shape == (1, 64)


async def test_a_text_that_cannot_be_split_fails_alone(embedding, embedder, monkeypatch):
    def split(text):
        if "poison" in text:
            raise ValueError(text[:6])
        return [text]

    monkeypatch.setattr(embedder, "split", split)
    jobs = [embedding.embed_document(text, wanted=False) for text in ("good", "poison", "poison " * 1000)]
    good, *others = await asyncio.gather(*(job.result for job in jobs), return_exceptions=True)
    assert good.shape == (1, 64)
    assert all(isinstance(other, ValueError) for other in others)


@pytest.mark.parametrize("answer", [np.full((1, 64), np.nan, np.float32), np.zeros((1, 3), np.float32)])
async def test_what_is_no_vector_is_a_failure(embedding, embedder, monkeypatch, answer):
    monkeypatch.setattr(embedder, "encode", lambda texts, as_queries: answer)
    with pytest.raises(ValueError, match="no proper vector"):
        await embedding.embed_document("text", wanted=False).result


async def test_cancelled_work_is_not_begun(embedding, embedder):
    first = await held_up(embedding, embedder)
    unwanted = embedding.embed_document("unwanted", wanted=False)
    query = asyncio.create_task(embedding.embed_query("unwanted query"))
    after = embedding.embed_document("after", wanted=False)
    await asyncio.sleep(0)
    unwanted.result.cancel()
    query.cancel()
    await finish(embedder, first, after)
    assert embedder.batches == [["held up"], ["after"]]


async def test_a_query_that_was_asked_before_is_remembered(embedding, embedder):
    vector = await embedding.embed_query("what do I drink")
    again = await embedding.embed_query("what do I drink")
    assert len(embedder.batches) == 1
    assert np.array_equal(vector, again)
    assert vector.shape == (64,)
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1


async def test_what_an_organisation_asked_is_not_remembered_for_another(embedding, embedder):
    for org_id, batches in ((1, 1), (1, 1), (2, 2)):
        await embedding.embed_query("what do I drink", (OrgId(org_id), UserId("ann")))
        assert len(embedder.batches) == batches


async def test_queries_that_are_remembered_are_bounded(embedding):
    for number in range(1100):
        await embedding.embed_query(f"query {number}")
    assert len(embedding._recent_queries) == 1024
    await embedding.embed_query("q " * 2000)
    assert len(embedding._recent_queries) == 1024


async def test_a_long_query_counts_to_its_end(embedding):
    vector = await embedding.embed_query(f"{LONG} zeppelin")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    plain = await embedding.embed_query(LONG)
    zeppelin = await embedding.embed_query("zeppelin")
    assert float(vector @ zeppelin) > float(plain @ zeppelin)


async def test_stopping_fails_what_waits_and_ends_the_thread(embedder):
    embedding = EmbeddingThread(embedder)
    await embedding.start()
    first = await held_up(embedding, embedder)
    waiting = embedding.embed_document("waiting", wanted=True)
    query = asyncio.create_task(embedding.embed_query("query"))
    await asyncio.sleep(0)
    stop = asyncio.create_task(embedding.stop())
    await asyncio.sleep(0)
    embedder.open()
    await stop
    for outcome in (waiting.result, query):
        with pytest.raises(NotReady):
            await outcome
    assert first.result.done()
    assert not embedding._thread.is_alive()
    with pytest.raises(NotReady):
        embedding.embed_document("too late", wanted=False)


async def test_a_model_that_cannot_be_loaded_is_reported(monkeypatch):
    def load():
        raise ModelUnavailable("no such model")

    embedder = GatedEmbedder()
    monkeypatch.setattr(embedder, "load", load)
    embedding = EmbeddingThread(embedder)
    with pytest.raises(ModelUnavailable, match="no such model"):
        await embedding.start()
    await embedding.stop()


async def test_before_it_was_started_nothing_is_embedded():
    with pytest.raises(NotReady):
        await EmbeddingThread(GatedEmbedder()).embed_query("early")


async def test_while_publishes_come_the_backlog_rests_and_nobody_who_waits_does(monkeypatch):
    monkeypatch.setattr(batching, "_REST", 1_000_000)
    monkeypatch.setattr(batching, "_SPARED_SECONDS", 1_000_000)
    embedder = FakeEmbedder()
    thread = EmbeddingThread(embedder)
    await thread.start()
    thread.spare()
    await thread.embed_document("first", wanted=False).result
    second = thread.embed_document("second", wanted=False)
    await thread.embed_query("a question")
    await thread.embed_document("somebody waits", wanted=True).result
    assert not second.result.done(), "it rests"
    thread.promote(second)
    await second.result
    third = thread.embed_document("third", wanted=False)
    await thread.stop()
    assert third.result.done()
    assert third.result.exception() is not None


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name/model"])
def test_a_name_that_cannot_even_be_a_folder_is_reported_as_any_other(name):
    with pytest.raises(ModelUnavailable):
        SentenceTransformerEmbedder(name).load()


@pytest.mark.parametrize("name", ["nope_folder/", "./nope", "/no/such/folder", "no/such/folder"])
def test_a_folder_that_is_not_there_is_not_asked_for_elsewhere(name):
    with pytest.raises(ModelUnavailable, match=f": there is no folder {name}$"):
        SentenceTransformerEmbedder(name).load()
