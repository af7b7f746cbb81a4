"""What an application is told while publishes cannot be sent."""

import inspect
import logging

import pytest
import reflexio
from google.rpc.code_pb2 import Code
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.background.conftest import said
from tests.client.wire import refuse
from tests.embed.eventually import eventually

SECRET = "rflx-secret"
STORED = PublishInteractionsResponse(message="stored")


@pytest.fixture(params=[reflexio.BackgroundPublisher, reflexio.AsyncBackgroundPublisher])
def kind(request):
    return request.param


@pytest.fixture
def log(caplog):
    """What the log of a program that asked for it has: levels and lines."""
    caplog.set_level(logging.INFO, "reflexio")
    return lambda: [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "reflexio"]


async def result(given):
    return await given if inspect.isawaitable(given) else given


async def test_of_each_outage_and_kind_of_error_there_is_one_warning_and_then_one_info(kind, memory, tmp_path, log):
    def asked(_, context):
        if denied:
            refuse(context, Code.UNAUTHENTICATED, f"no key {SECRET}\nhere.")
        return WhoAmIResponse(role=2)

    async def warned():
        return len(log()) == lines

    memory.answers["WhoAmI"] = asked
    denied = True
    background = kind(SECRET, memory.url, spool_folder=tmp_path, timeout=1)
    assert background.last_error is None
    for text in ("private one", "private two"):
        background.publish("ana", said(text), session_id="s")

    lines = 1
    await eventually(warned)
    assert isinstance(background.last_error, reflexio.UnauthenticatedError)
    for _ in range(3):
        assert not await result(background.flush(0.05))
    [(level, line)] = log()
    assert level == "WARNING"
    assert line.endswith(": no key … here; trying again")

    memory.stop()
    lines = 2
    while not await warned():
        assert not await result(background.flush(0.1))
    assert log()[1][1].startswith(f"2 publishes wait: could not reach {memory.url}")

    denied = False
    memory.start()
    while not await result(background.flush(0.1)):
        assert len(log()) <= 3
    lines = 3
    await eventually(warned)
    assert (log()[2][0], log()[2][1].partition(";")[0]) == ("INFO", "publishes are sent again")
    assert background.last_error is None

    denied = True
    memory.stop()
    background.publish("ana", said("private three"), session_id="s")
    lines = 4
    await eventually(warned)
    assert log()[3][0] == "WARNING"
    await result(background.close(0))
    assert not any("private" in line or SECRET in line for _, line in log())


async def test_of_a_fault_only_the_reason_is_told_and_of_what_may_not_publish_the_sentence(publisher, memory, log):
    def answer(request, context):
        text = request.interactions[0].content
        if failing:
            refuse(context, Code.PERMISSION_DENIED if text == "denied" else Code.INTERNAL, f"cannot take {text}")
        return STORED

    async def told_of_both():
        return len(log()) == 2

    failing = True
    memory.answers["PublishInteractions"] = answer
    background = publisher()
    background.publish("u", said("private"), session_id="s")
    background.publish("u", said("denied"), session_id="t")
    await eventually(told_of_both)
    assert sorted(line.partition(": ")[2] for _, line in log()) == [
        "cannot take denied; trying again",
        "the server failed (INTERNAL); trying again",
    ]
    failing = False
    assert background.flush(20)
    assert background.last_error is None


def test_a_hiccup_is_not_worth_a_word(publisher, memory, log):
    def answer(request, context):
        tried.append(request.idempotency_key)
        if len(tried) == 1:
            refuse(context, Code.ABORTED, "later")
        return STORED

    tried = []
    memory.answers["PublishInteractions"] = answer
    background = publisher()
    background.publish("u", said("a"))
    assert background.flush(20)
    assert (len(tried), log()) == (2, [])


def test_what_a_handler_raises_does_not_end_the_sending(publisher, memory, monkeypatch):
    def broken(*_):
        raise OSError

    def asked(_, context):
        if not questions:
            questions.append(1)
            refuse(context, Code.UNAUTHENTICATED, "no")
        return WhoAmIResponse(role=2)

    questions = []
    memory.answers["WhoAmI"] = asked
    monkeypatch.setattr(logging.getLogger("reflexio"), "handle", broken)
    background = publisher()
    background.publish("u", said("a"))
    while not background.flush(0.1):
        assert len(questions) <= 1
    assert background.counters.published == 1


async def test_whose_key_is_not_known_lets_another_publisher_of_the_account_send(publisher, memory):
    def asked(_, context):
        if dict(context.invocation_metadata())["authorization"] == "Bearer old":
            refuse(context, Code.UNAUTHENTICATED, "no such key")
        return WhoAmIResponse(role=2)

    async def is_refused():
        return isinstance(old.last_error, reflexio.UnauthenticatedError)

    memory.answers["WhoAmI"] = asked
    old = publisher(api_key="old", account="ours")
    old.publish("u", said("handed over with the old key"))
    await eventually(is_refused)

    new = publisher(api_key="new", account="ours")
    assert new.flush(20)
    assert (new.counters.published, old.counters.waiting) == (1, 0)


async def test_a_spool_that_cannot_be_used_is_told_like_a_server_that_is_away(publisher, memory, tmp_path, log):
    async def told():
        return len(log()) == lines

    background = publisher()
    assert background.publish("u", said("before"))
    assert background.flush(20)
    folder = background._core._spool.path.parent
    folder.rename(tmp_path / "elsewhere")
    folder.write_text("no folder")

    lines = 1
    await eventually(told)
    assert isinstance(background.last_error, reflexio.SpoolError)
    assert log()[0][1].startswith("publishes wait: the spool ")

    folder.unlink()
    lines = 2
    await eventually(told)
    assert log()[1] == ("INFO", "publishes are sent again; 0 publishes wait")
    assert background.last_error is None
