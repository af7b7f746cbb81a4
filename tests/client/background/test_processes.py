"""Publishers in several processes: exits, forks, spawns, sharing a spool, dying."""

import os
import random
import signal
import threading
import time
from collections import defaultdict
from itertools import product

import pytest
import reflexio
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.background.conftest import published, said
from tests.client.background.programs import begin, run
from tests.effort import LONG, only_long
from tests.embed.eventually import eventually

NOWHERE = "http://127.0.0.1:9"


async def until(condition):
    async def holds():
        return condition()

    await eventually(holds)


ENDS = {
    "unclosed": "",
    "closed": "background.close(2)",
    "a refusal being reported": "background.publish(7, 7)",
}


ALL = list(product(["BackgroundPublisher", "AsyncBackgroundPublisher"], ["there", "away"], ENDS))
SAMPLE = [
    ("BackgroundPublisher", "there", "unclosed"),
    ("AsyncBackgroundPublisher", "away", "unclosed"),
    ("AsyncBackgroundPublisher", "there", "closed"),
]


@pytest.mark.parametrize(("kind", "server", "end"), SAMPLE + only_long(*(case for case in ALL if case not in SAMPLE)))
def test_a_program_ends_soon_and_quietly(kind, server, end, memory, tmp_path):
    program = (
        "import asyncio, sys, reflexio\n"
        f"background = reflexio.{kind}(url_endpoint=sys.argv[1], spool_folder=sys.argv[2], on_refused=print)\n"
        "for n in range(50): assert background.publish('u', [{'content': str(n)}])\n"
    )
    ending = ENDS[end]
    if kind.startswith("Async") and "close" in ending:
        ending = f"asyncio.run({ending})"
    began = time.monotonic()
    done = run(program + ending, memory.url if server == "there" else NOWHERE, str(tmp_path))

    # Without any logging of the program's own, the one warning of an outage goes there too.
    told = [line for line in done.stderr.splitlines() if server == "there" or not line.endswith("; trying again")]
    assert (done.returncode, told) == (0, [])
    assert done.stdout.count("must be a str") == (1 if end == "a refusal being reported" else 0)
    assert time.monotonic() - began < 10
    left = 50 - len(published(memory))
    assert left == 0 or server == "away"
    with reflexio.BackgroundPublisher(url_endpoint=memory.url, spool_folder=tmp_path) as other:
        assert other.flush(10)


def test_many_publishers_share_the_moment_in_which_a_program_ends(memory, tmp_path):
    program = (
        "import sys, reflexio\n"
        "kept = [\n"
        "    reflexio.BackgroundPublisher(url_endpoint=sys.argv[1], spool_folder=sys.argv[2], account=str(n))\n"
        "    for n in range(20)\n"
        "]\n"
        "assert all(publisher.publish('u', [{'content': 'x'}]) for publisher in kept)\n"
    )
    silent = threading.Event()
    memory.answers["WhoAmI"] = lambda *_: silent.wait(60) and WhoAmIResponse()
    began = time.monotonic()
    done = run(program, memory.url, str(tmp_path))
    took = time.monotonic() - began
    silent.set()

    assert (done.returncode, done.stderr) == (0, "")
    assert took < 8


def test_a_program_that_forgets_its_publisher_loses_nothing(memory, tmp_path, publisher):
    program = (
        "import sys, reflexio\n"
        "def agent():\n"
        "    return reflexio.BackgroundPublisher(url_endpoint=sys.argv[1], spool_folder=sys.argv[2])\n"
        "assert all(agent().publish('u', [{'content': str(n)}]) for n in range(20))\n"
    )
    done = run(program, memory.url, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert publisher().flush(20)
    assert list(dict.fromkeys(published(memory))) == [str(n) for n in range(20)]


FORK = """
import os, sys, warnings, reflexio
warnings.simplefilter("ignore", DeprecationWarning)
background = reflexio.BackgroundPublisher(url_endpoint=sys.argv[1], spool_folder=sys.argv[2])
for n in range(100):
    assert background.publish("parent", [{"content": f"parent {n}"}])
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        good = all(background.publish(f"child {child}", [{"content": f"child {child} {n}"}]) for n in range(20))
        good = good and background.counters.taken == 20 and background.flush(20)
        os._exit(0 if good else 7)
    children.append(pid)
    assert background.publish("parent", [{"content": f"after fork {child}"}])
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
assert background.flush(20) and background.counters.taken == 103
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_hand_over_and_send_for_themselves(memory, tmp_path):
    stored = once(memory)
    done = run(FORK, memory.url, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    texts = [text for _, text in stored]
    assert [t for t in texts if t.startswith("parent")] == [f"parent {n}" for n in range(100)]
    for child in range(3):
        assert [t for t in texts if t.startswith(f"child {child}")] == [f"child {child} {n}" for n in range(20)]
    assert len(texts) == 163


def test_a_child_takes_over_when_its_parent_dies(memory, tmp_path, publisher):
    program = (
        "import os, signal, sys, time, warnings, reflexio\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "background = reflexio.BackgroundPublisher(url_endpoint=sys.argv[1], spool_folder=sys.argv[2])\n"
        "background.publish('u', [{'content': 'parent'}])\n"
        "parent = os.getpid()\n"
        "if os.fork() == 0:\n"
        "    background.publish('u', [{'content': 'child'}])\n"
        "    os.kill(parent, signal.SIGKILL)\n"
        "    while os.getppid() == parent: time.sleep(0.01)\n"
        "    background.publish('u', [{'content': 'orphan'}])\n"
        "    print(background.flush(30), flush=True)\n"
        "    os._exit(0)\n"
        "time.sleep(60)\n"
    )
    stored = once(memory)
    with begin(program, memory.url, str(tmp_path)) as process:
        assert process.stdout.readline() == "True\n"
        assert process.wait(20) == -signal.SIGKILL
    assert [text for _, text in stored] == ["parent", "child", "orphan"]


def test_spawned_children_share_the_spool(memory, tmp_path):
    program = (
        "import multiprocessing, sys, reflexio\n"
        "def work(url, folder, name):\n"
        "    with reflexio.BackgroundPublisher(url_endpoint=url, spool_folder=folder) as background:\n"
        "        assert all(background.publish(name, [{'content': f'{name} {n}'}]) for n in range(50))\n"
        "        assert background.flush(30)\n"
        "work(sys.argv[1], sys.argv[2], 'parent')\n"
        "spawn = multiprocessing.get_context('spawn')\n"
    )
    module = tmp_path / "agents.py"
    module.write_text(
        program
        + "if __name__ == '__main__':\n"
        + "    children = [spawn.Process(target=work, args=(*sys.argv[1:], f'child{n}')) for n in range(2)]\n"
        + "    [child.start() for child in children]; [child.join() for child in children]\n"
        + "    assert [child.exitcode for child in children] == [0, 0]\n"
    )
    program = f"import runpy, sys; sys.argv[0] = {str(module)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    stored = once(memory)
    done = run(program, memory.url, str(tmp_path / "spool"))

    assert (done.returncode, done.stderr) == (0, "")
    for name in ("parent", "child0", "child1"):
        texts = [text for user, text in stored if user == name]
        assert list(dict.fromkeys(texts)) == [f"{name} {n}" for n in range(50)]


async def test_of_two_publishers_one_sends_and_the_other_takes_over(memory, publisher, tmp_path):
    first = publisher()
    await until(lambda: first._core._sender._lock._file is not None)
    second = publisher()
    assert second.publish("u", said("by the second"))
    assert first.publish("u", said("by the first"))
    await until(lambda: first.counters.published == 2)
    assert published(memory) == ["by the second", "by the first"]
    assert second.counters.published == 0

    first.close()
    assert second.publish("u", said("alone"))
    await until(lambda: second.counters.published == 1)


# Each line is written in one piece: a kill leaves no half of one.
HAND_OVER = """
import os, sys, reflexio
url, folder, name, number = sys.argv[1:]
background = reflexio.BackgroundPublisher(url_endpoint=url, spool_folder=folder)
for n in range(int(number)):
    session = f"{name}-{n % 3}"
    if background.publish("u", [{"content": f"{session} {n}"}], session_id=session):
        os.write(1, f"{session} {n}\\n".encode())
while True: background.flush(1)
"""


@pytest.mark.parametrize("server", ["stops and starts", *only_long("away")])
def test_nothing_handed_over_is_lost_by_a_kill(server, memory, tmp_path, publisher):
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    stored = once(memory)
    taken = defaultdict(list)
    if server == "away":
        memory.stop()
    for life in range(20 if LONG else 2):
        with begin(HAND_OVER, memory.url, str(tmp_path), f"life{life}", "100000") as process:
            until_line = chance.randrange(1, 150)
            for number, line in enumerate(process.stdout):
                session, text = line.split()
                taken[session].append(f"{session} {text}")
                if number == until_line:
                    if server != "away" and chance.random() < 0.7:
                        memory.stop()
                        memory.start()
                    process.kill()
            assert process.wait(20) == -signal.SIGKILL
    if server == "away":
        memory.start()
    assert publisher().flush(30)

    assert sum(map(len, taken.values())) > 2
    arrived = defaultdict(list)
    for _, text in stored:
        arrived[text.split()[0]].append(text)
    for session, texts in taken.items():
        # The last may have been handed over without its line having been read.
        assert arrived[session][: len(texts)] == texts
        numbers = [int(text.split()[1]) for text in arrived[session]]
        assert numbers == list(range(numbers[0], numbers[0] + 3 * len(numbers), 3))


def once(server):
    """Has `server` store each key once, as the real one does; returns what it stored, in order."""
    stored, keys = [], set()
    one_at_a_time = threading.Lock()

    def answer(request, _):
        with one_at_a_time:
            if request.idempotency_key not in keys:
                keys.add(request.idempotency_key)
                stored.append((request.user_id, request.interactions[0].content))
        return PublishInteractionsResponse(message="stored")

    server.answers["PublishInteractions"] = answer
    return stored
