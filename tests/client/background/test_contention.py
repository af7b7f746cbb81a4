"""Another process keeps the spool's file locked: the agent goes on, and nothing is lost by it."""

import os
import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest
from reflexio.background.errors import SpoolBusyError
from reflexio.background.held import MOST_HELD

from tests.client.background.conftest import published, said
from tests.client.background.programs import run

NOWHERE = "http://127.0.0.1:9"


@contextmanager
def locked(folder):
    """Has somebody else write into the only spool below `folder`, and take his time."""
    [file] = folder.glob("*/spool.db")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("begin immediate")
    try:
        yield
    finally:
        other.close()


def test_an_agent_goes_on_and_what_it_hands_over_is_written_in_order_afterwards(publisher, memory, tmp_path):
    background = publisher()
    assert background.publish("u", said("0"))
    assert background.flush(10)
    began = time.monotonic()
    with locked(tmp_path):
        assert all(background.publish("u", said(str(number))) for number in range(1, 40))
        # Not for each of them did it wait.
        assert time.monotonic() - began < 1.5
        assert background.flush(0) is False
        assert published(memory) == ["0"]
        assert background.counters.taken == 40
    assert background.publish("u", said("40"))

    assert background.flush(20)
    assert published(memory) == [str(number) for number in range(41)]


def test_what_is_held_is_bounded_and_the_rest_is_refused(publisher, refusals, tmp_path):
    background = publisher(url_endpoint=NOWHERE)
    with locked(tmp_path):
        taken = [background.publish("u", said("x")) for _ in range(MOST_HELD + 2)]
    assert taken == [True] * MOST_HELD + [False] * 2
    background.close(0)
    assert refusals.kinds == [SpoolBusyError] * 2
    assert background.counters.waiting == MOST_HELD


def test_what_could_not_be_written_until_the_end_is_reported(publisher, refusals, tmp_path):
    background = publisher(url_endpoint=NOWHERE)
    with locked(tmp_path):
        assert background.publish("u", said("held"))
        assert background.close(0) is False
    assert [publish.interactions[0].content for publish, _ in refusals.told] == ["held"]
    assert refusals.kinds == [SpoolBusyError]


FORK = """
import glob, os, sqlite3, sys, warnings, reflexio
warnings.simplefilter("ignore", DeprecationWarning)
background = reflexio.BackgroundPublisher(url_endpoint=sys.argv[1], spool_folder=sys.argv[2])
assert background.publish("u", [{"content": "before"}]) and background.flush(20)
other = sqlite3.connect(glob.glob(sys.argv[2] + "/*/spool.db")[0], isolation_level=None)
other.execute("begin immediate")
assert background.publish("u", [{"content": "held"}])
child = os.fork()
if child == 0:
    os._exit(0 if background.counters.taken == 0 and not background._core._held else 7)
assert os.waitpid(child, 0)[1] == 0
other.execute("rollback")
assert background.flush(20) and background.counters.published == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_leaves_what_is_held_to_its_parent(memory, tmp_path):
    done = run(FORK, memory.url, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert published(memory) == ["before", "held"]


def test_after_a_moment_without_the_file_a_burst_is_taken_as_before(publisher, memory, refusals):
    background = publisher(url_endpoint="http://127.0.0.1:9")
    spool = background._core._spool
    locked, enough = threading.Event(), threading.Event()

    def keep_busy():
        with spool._lock:
            locked.set()
            enough.wait(30)

    keeper = threading.Thread(target=keep_busy)
    keeper.start()
    locked.wait(30)
    assert all(background.publish("u", said(str(n))) for n in range(MOST_HELD - 1))
    enough.set()
    keeper.join()

    assert all(background.publish("u", said(str(n))) for n in range(2 * MOST_HELD))
    assert not background._core._held
    assert refusals.told == []
