"""What is done with what was handed over: order, retries, refusals."""

import asyncio
import threading
import time
from collections import defaultdict
from zlib import crc32

import pytest
import reflexio
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from reflexio import PublishExpiredError
from reflexio.background import verdict
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.background.conftest import published, said
from tests.client.wire import refuse
from tests.embed.eventually import eventually

STORED = PublishInteractionsResponse(message="stored")


def refusing(when, *refusal):
    """An answer that refuses the texts for which `when` holds."""

    def answer(request, context):
        if when(request.interactions[0].content):
            refuse(context, *refusal)
        return STORED

    return answer


def test_what_was_said_in_a_session_arrives_in_order_whatever_fails(publisher, memory):
    tries = defaultdict(int)

    def answer(request, context):
        text = request.interactions[0].content
        tries[text] += 1
        kind = crc32(text.encode()) % 4
        if tries[text] == 1 and kind < 3:
            refuse(context, (Code.ABORTED, Code.RESOURCE_EXHAUSTED, Code.INTERNAL)[kind], "later")
        stored.append((request.user_id, request.session_id, text, request.idempotency_key))
        return STORED

    stored = []
    memory.answers["PublishInteractions"] = answer
    background = publisher()
    sessions = [("ana", "1"), ("ana", "2"), ("bob", "1"), ("bob", None)]
    for number in range(6):
        for user, session in sessions:
            assert background.publish(user, said(f"{user} {session} {number}"), session_id=session)
    assert background.flush(30)

    for user, session in sessions:
        texts = [text for u, s, text, _ in stored if (u, s) == (user, session or "")]
        assert texts == [f"{user} {session} {number}" for number in range(6)]
    assert len({key for *_, key in stored}) == 24
    assert background.counters.published == 24
    assert background.counters.retried == sum(tries.values()) - 24 > 0


def test_sessions_go_side_by_side_and_one_waits_for_itself(publisher, memory):
    both = threading.Barrier(2, timeout=20)
    running = defaultdict(int)

    def answer(request, _):
        session = request.session_id
        running[session] += 1
        assert running[session] == 1
        both.wait()
        running[session] -= 1
        return STORED

    memory.answers["PublishInteractions"] = answer
    background = publisher()
    for number in range(3):
        for session in ("a", "b"):
            background.publish("u", said(str(number)), session_id=session)

    assert background.flush(20)
    assert len(published(memory)) == 6


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (Code.INVALID_ARGUMENT, "user_id: too long"),
        (Code.ALREADY_EXISTS, "the key was used"),
        (Code.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)"),
    ],
)
async def test_what_the_server_refuses_is_reported_and_its_session_goes_on(publisher, memory, refusals, code, message):
    memory.answers["PublishInteractions"] = refusing(lambda text: text == "bad", code, message)
    background = publisher()
    background.publish("u", said("bad"), "web", session_id="s", idempotency_key="k")
    background.publish("u", said("good"), session_id="s")

    assert background.flush(20)
    assert published(memory) == ["bad", "good"]
    background.close()
    [(publish, error)] = refusals.told
    assert (publish.user_id, publish.session_id, publish.source, publish.idempotency_key) == ("u", "s", "web", "k")
    assert publish.interactions[0].content == "bad"
    assert publish.handed_over_at == pytest.approx(time.time(), abs=60)
    assert (error.status, background.counters.refused) == (Code.Name(code), 1)


def test_where_the_server_fails_on_one_alone_it_is_given_up_and_its_session_goes_on(publisher, memory, refusals):
    memory.answers["PublishInteractions"] = refusing(lambda text: text == "bad", Code.INTERNAL, "a fault")
    background = publisher()
    background.publish("u", said("bad"), session_id="s")
    background.publish("u", said("good"), session_id="s")
    others = 0
    # Each flush ends the pauses.
    while not background.flush(0.05):
        others += 1
        assert others < 200
        background.publish("u", said("another"), session_id="t")

    arrived = published(memory)
    assert arrived.count("bad") > verdict.MOST_FAULTS
    assert arrived[: arrived.index("good")].count("another") >= verdict.MOST_FAULTS
    background.close()
    assert refusals.kinds == [reflexio.InternalError]


def test_where_the_server_fails_on_all_that_come_nothing_is_given_up(publisher, memory, refusals):
    outage = threading.Event()
    outage.set()
    memory.answers["PublishInteractions"] = refusing(lambda _: outage.is_set(), Code.INTERNAL, "read-only")
    background = publisher()
    for number in range(4):
        background.publish("u", said(f"{number % 2} {number}"), session_id=str(number % 2))
    while len(memory.requests) < 4 * verdict.MOST_FAULTS:
        background.flush(0.05)
    outage.clear()
    assert background.flush(20)

    assert [text for text in published(memory) if text.startswith("0")][-2:] == ["0 0", "0 2"]
    assert background.counters.published == 4
    assert not refusals.told


async def test_a_user_with_too_much_waits_as_long_as_the_server_says_and_others_do_not(publisher, memory):
    details = (
        ErrorInfo(reason="ERROR_REASON_BACKLOG_FULL", domain="reflexio"),
        RetryInfo(retry_delay=Duration(seconds=3600)),
    )
    memory.answers["PublishInteractions"] = refusing(
        lambda text: text.startswith("noisy"), Code.RESOURCE_EXHAUSTED, "too much of you", *details
    )
    background = publisher()
    for number in range(3):
        background.publish("noisy", said(f"noisy {number}"))
        background.publish("calm", said(f"calm {number}"))

    async def calm_is_done():
        return background.counters.waiting == 3

    await eventually(calm_is_done)
    assert published(memory).count("noisy 0") == 1
    assert [text for text in published(memory) if "calm" in text] == [f"calm {number}" for number in range(3)]
    assert background.flush(0) is False
    memory.answers["PublishInteractions"] = lambda *_: STORED
    assert background.flush(20)


async def test_while_the_server_is_away_nothing_is_sent_but_a_question(publisher, memory):
    memory.answers["WhoAmI"] = lambda _, context: refuse(context, Code.UNAVAILABLE, "starting")
    background = publisher()
    for number in range(20):
        background.publish(f"u{number}", said("x"))

    async def asked():
        return len(memory.requests) >= 5

    await eventually(asked)
    assert published(memory) == []
    memory.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    assert background.flush(20)
    assert len(published(memory)) == 20


async def test_a_key_that_is_not_good_loses_nothing_and_asks_seldom(publisher, memory, refusals):
    memory.answers["WhoAmI"] = lambda _, context: refuse(context, Code.UNAUTHENTICATED, "who are you")
    background = publisher(api_key="old", account="acme")
    background.publish("u", said("kept"))

    async def asked():
        return len(memory.requests) >= 1

    await eventually(asked)
    await asyncio.sleep(0.5)
    assert len(memory.requests) == 1
    assert refusals.told == []
    background.close(0)
    memory.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    assert publisher(api_key="new", account="acme").flush(20)
    assert memory.metadata[-1]["authorization"] == "Bearer new"


async def test_a_restart_of_the_server_loses_and_repeats_nothing(publisher, memory):
    stored = {}

    def answer(request, _):
        stored.setdefault(request.idempotency_key, request.interactions[0].content)
        return STORED

    memory.answers["PublishInteractions"] = answer
    background = publisher()
    for number in range(300):
        background.publish(f"u{number % 5}", said(str(number)))
        if number in {50, 150}:
            await asyncio.to_thread(memory.stop)
        if number in {100, 200}:
            memory.start()
    assert await asyncio.to_thread(background.flush, 30)

    assert sorted(map(int, stored.values())) == list(range(300))
    assert background.counters.published == 300


def test_what_is_too_old_is_refused(publisher, memory, refusals):
    background = publisher(max_age=0.001)
    memory.stop()
    background.publish("u", said("late"))
    time.sleep(0.01)
    memory.start()

    assert background.flush(20)
    background.close()
    assert (published(memory), refusals.kinds) == ([], [PublishExpiredError])


def test_an_attempt_is_on_disk_before_it_is_made(publisher, memory):
    noted = []

    def answer(request, _):
        query = "select e.handed_over_at <= a.attempted_at from entries e join attempts a using (seq)"
        noted.append(background._core._spool._connection.execute(query).fetchall())
        return STORED

    memory.answers["PublishInteractions"] = answer
    background = publisher()
    background.publish("u", said("x"))

    assert background.flush(20)
    assert noted == [[(1,)]]
    assert background._core._spool._connection.execute("select count(*) from attempts").fetchone() == (0,)
