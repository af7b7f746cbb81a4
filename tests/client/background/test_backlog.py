"""Many at once: threads that hand over, loops that go on, and a backlog that is never all in memory."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import reflexio
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse

from tests.client.background.conftest import published, said
from tests.client.background.programs import run
from tests.effort import LONG

BACKLOG = 100_000 if LONG else 2_000


def test_many_threads_hand_over_to_one_publisher(publisher, memory):
    background = publisher()

    def agent(name):
        return all(background.publish(name, said(f"{name} {n}")) for n in range(40))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(agent, map(str, range(8))))
    assert background.flush(30)
    texts = published(memory)
    for name in map(str, range(8)):
        assert [text for text in texts if text.split()[0] == name] == [f"{name} {n}" for n in range(40)]
    assert (background.counters.taken, background.counters.published, background.counters.waiting) == (320, 320, 0)


async def test_a_loop_goes_on_while_it_waits(memory, tmp_path):
    released = threading.Event()
    stored = memory.answers["PublishInteractions"]
    memory.answers["PublishInteractions"] = lambda *given: released.wait(30) and stored(*given)
    async with reflexio.AsyncBackgroundPublisher(url_endpoint=memory.url, spool_folder=tmp_path) as background:
        assert background.publish("u", said("x"), session_id="s")
        assert await background.flush(0.05) is False
        flushing = asyncio.create_task(background.flush(30))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not flushing.done()
        released.set()
        assert await flushing
    assert background.publish("u", said("late")) is False
    assert published(memory) == ["x"]


async def test_one_publisher_serves_one_loop_after_another(memory, tmp_path):
    background = reflexio.AsyncBackgroundPublisher(url_endpoint=memory.url, spool_folder=tmp_path)

    async def agent(number):
        return background.publish("u", said(str(number))) and await background.flush(20)

    with ThreadPoolExecutor(1) as threads:
        assert list(threads.map(lambda number: asyncio.run(agent(number)), range(3))) == [True] * 3
    await background.close()
    assert published(memory) == ["0", "1", "2"]


def test_closing_does_not_wait_for_a_server_that_hangs(publisher, memory):
    released = threading.Event()
    memory.answers["PublishInteractions"] = lambda *_: released.wait(60) and PublishInteractionsResponse()
    background = publisher()
    background.publish("u", said("x"))
    closing = threading.Thread(target=background.close, args=(0.2,))
    closing.start()
    closing.join(20)

    assert not closing.is_alive()
    released.set()


SEND = """
import pathlib, re, sys, reflexio
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024
url, folder, number = sys.argv[1:]
background = reflexio.BackgroundPublisher(url_endpoint=url, spool_folder=folder, concurrency=32)
before = peak()
assert background.counters.waiting > int(number) // 2
assert background.flush(900)
assert background.counters.published == int(number)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of its memory as Linux tells it")
def test_a_backlog_is_sent_without_being_loaded(publisher, memory, tmp_path):
    """Two kilobytes each: 100,000 of them are 200 MB."""
    arrived = set()

    def answer(request, _):
        arrived.add(request.interactions[0].content.split()[0])
        memory.requests.clear()
        memory.metadata.clear()
        return PublishInteractionsResponse()

    memory.answers["PublishInteractions"] = answer
    memory.stop()
    background = publisher(max_bytes=2**30)
    for number in range(BACKLOG):
        assert background.publish(f"u{number % 2500}", said(f"{number} " + "x" * 2000))
    background.close(0)
    assert background.counters.waiting == BACKLOG
    memory.start()
    done = run(SEND, memory.url, str(tmp_path), str(BACKLOG), timeout=1000)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(arrived) == BACKLOG
    print(f"{BACKLOG:,} waiting, {done.stdout.strip()} MiB more memory while they were sent")
    assert int(done.stdout) < 50
