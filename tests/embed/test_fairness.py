"""Users take turns, however much one of them has waiting: in the embedding thread, in memory and in the queue."""

import asyncio

import pytest
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.embed.backlog import LEASE_SECONDS
from reflexio_server.embed.claims import FairClaims
from reflexio_server.embed.fair_queue import FairQueue
from reflexio_server.store.reach import Purpose
from sqlalchemy import text

NOISY, QUIET, OTHER = ((OrgId(1), UserId(name)) for name in ("noisy", "quiet", "other"))
LONG = "a text of the noisy user " * 20


def test_owners_take_turns_and_each_keeps_its_order():
    queue: FairQueue[str] = FairQueue()
    for owner, items in ((NOISY, "abcdef"), (QUIET, "x"), (OTHER, "12")):
        for item in items:
            queue.add(owner, item)
    assert queue.first(100) == list("ax1b2cdef")
    assert queue.first(4) == list("ax1b")


def test_whoever_comes_goes_before_those_who_had_a_turn_but_does_not_keep_them_waiting():
    queue: FairQueue[str] = FairQueue()
    for item in "abcd":
        queue.add(NOISY, item)
    led = []
    for number in range(6):
        # Somebody new comes each time.
        queue.add((OrgId(2), UserId(f"user {number}")), f"new {number}")
        [first] = queue.first(1)
        owner = NOISY if first in "abcd" else (OrgId(2), UserId(f"user {first[-1]}"))
        queue.took_turn(owner)
        queue.remove(owner, first)
        led.append(first)
    assert led == ["a", "new 0", "b", "new 1", "c", "new 2"]


def test_what_is_removed_leaves_nothing_behind():
    queue: FairQueue[str] = FairQueue()
    queue.add(NOISY, "a")
    queue.took_turn(NOISY)
    queue.remove(NOISY, "a")
    queue.remove(NOISY, "a")
    assert not queue
    assert queue.first(1) == []
    queue.took_turn(NOISY)
    queue.add(QUIET, "b")
    assert queue.first(1) == ["b"]


@pytest.mark.parametrize("wanted", [False, True])
async def test_a_quiet_users_text_is_in_the_next_batch(embedding, embedder, wanted):
    embedder.close()
    noisy = [embedding.embed_document(f"{LONG}{n}", wanted=wanted, owner=NOISY) for n in range(100)]
    await embedder.stopped()
    noisy += [embedding.embed_document(f"{LONG}{n}", wanted=wanted, owner=NOISY) for n in range(100, 200)]
    quiet = embedding.embed_document("short", wanted=wanted, owner=QUIET)
    embedder.open()
    await asyncio.gather(quiet.result, *(job.result for job in noisy))
    assert "short" in embedder.batches[1]


async def test_a_wanted_text_of_a_quiet_user_is_in_the_next_batch_though_the_noisy_one_waits_for_all(
    backlog, corpus, org_id, embedder
):
    embedder.close()

    async def publish_and_wait(user, count):
        published = await corpus.publish(user, *(f"{LONG}{n}" for n in range(count)), lease_seconds=LEASE_SECONDS)
        items = [(id_, f"{user}: {LONG}{n}") for n, id_ in enumerate(published.interaction_ids)]
        backlog.hand_over(org_id, user, items)
        return asyncio.create_task(backlog.wait_for(org_id, published.interaction_ids))

    noisy = [await publish_and_wait(UserId("noisy"), 500) for _ in range(10)]
    await embedder.stopped()
    before = len(embedder.batches)
    quiet = await publish_and_wait(UserId("quiet"), 1)
    while not any(work.user_id == "quiet" for work in backlog._held):  # noqa: ASYNC110 -- nothing tells.
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    embedder.open()
    await quiet
    place = next(n for n, batch in enumerate(embedder.batches) if any(text.startswith("quiet") for text in batch))
    # The batch at the gate, and the one that was being put together.
    assert place <= before + 2
    for waiting in noisy:
        waiting.cancel()


async def test_a_noisy_users_rows_do_not_keep_others_from_being_claimed(database, corpus, org_id):
    async with database.autocommit(Purpose.REINDEXING) as connection:
        await connection.execute(text("delete from embedding_queue"))
    for _ in range(3):
        await corpus.publish(UserId("noisy"), *(f"text {n}" for n in range(900)))
    for n in range(5):
        await corpus.publish(UserId(f"quiet {n}"), "first", "second")
    claimed = await FairClaims(database).next(60, 1_000_000, 30)
    users = [queued.user_id for queued in claimed]
    assert {user: users.count(user) for user in users} == {"noisy": 10} | {f"quiet {n}": 2 for n in range(5)}


async def test_every_user_has_a_turn_and_all_is_claimed_once(database, corpus, org_id):
    async with database.autocommit(Purpose.REINDEXING) as connection:
        await connection.execute(text("delete from embedding_queue"))
    expected = set()
    for n in range(150):
        expected.update((await corpus.publish(UserId(f"user {n:03}"), "first", "second")).interaction_ids)
    claims, seen, rounds = FairClaims(database), [], 0
    while claimed := await claims.next(64, 1_000_000, 30):
        seen += [queued.interaction_id for queued in claimed]
        rounds += 1
        if rounds == 3:
            assert {queued.user_id for queued in claimed} & {f"user {n:03}" for n in range(128, 150)}
    assert len(seen) == len(expected)
    assert set(seen) == expected


async def test_bytes_are_shared_too(database, corpus, org_id):
    async with database.autocommit(Purpose.REINDEXING) as connection:
        await connection.execute(text("delete from embedding_queue"))
    await corpus.publish(UserId("noisy"), *("x" * 1000 for _ in range(50)))
    await corpus.publish(UserId("quiet"), "short")
    claimed = await FairClaims(database).next(60, 5_000, 30)
    assert [queued.user_id for queued in claimed].count("quiet") == 1
    assert len(claimed) == 5
