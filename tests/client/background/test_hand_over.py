"""The hand-over: what is taken and what is not, and that it never raises."""

import shutil
import sqlite3
import threading
import time

import pytest
import reflexio
from reflexio import InvalidArgumentError, SpoolError, SpoolFullError
from reflexio.background.location import default_folder

from tests.client.background.conftest import published, said
from tests.embed.eventually import eventually

NOWHERE = "http://127.0.0.1:9"


async def until(condition):
    async def holds():
        return condition()

    await eventually(holds)


class Unprintable:
    def __str__(self):
        raise ValueError("no")

    __repr__ = __str__


def raising():
    yield {"content": "one"}
    raise OSError("the second cannot be read")


def endless():
    while True:
        yield {"content": "again"}


@pytest.mark.parametrize(
    ("user_id", "interactions"),
    [
        (None, said("x")),
        (7, said("x")),
        ("u", None),
        ("u", "text"),
        ("u", [7]),
        ("u", [{"contnet": "x"}]),
        ("u", [{"content": Unprintable()}]),
        ("u", [{"content": "\ud800"}]),
        ("u", [{"image_encoding": "?"}]),
        ("u", [{"tools_used": [{"tool_name": "t", "tool_data": {"x": object()}}]}]),
        ("u", [{"created_at": float("nan")}]),
        ("u", raising()),
        (Unprintable(), said("x")),
    ],
)  # fmt: skip
async def test_whatever_cannot_be_sent_is_refused_without_raising(publisher, refusals, user_id, interactions):
    background = publisher()

    assert background.publish(user_id, interactions) is False
    await until(lambda: len(refusals.told) == 1)
    [(publish, error)] = refusals.told
    assert publish.user_id is user_id
    assert isinstance(error, (InvalidArgumentError, OSError, ValueError))
    assert refusals.threads != {threading.main_thread()}
    assert (background.counters.taken, background.counters.refused, background.counters.waiting) == (0, 1, 0)


def test_endless_interactions_hold_nobody_up(publisher):
    assert publisher(url_endpoint=NOWHERE).publish("u", endless()) is True


def test_a_closed_publisher_takes_nothing(publisher, refusals, memory):
    background = publisher()
    assert background.publish("u", said("before"))
    assert background.close() is True
    assert background.close() is True

    assert background.publish("u", said("after")) is False
    assert published(memory) == ["before"]
    background.close()
    assert refusals.kinds == [reflexio.ClientClosedError]


async def test_a_callback_that_raises_is_counted_and_called_again(publisher):
    calls = []

    def on_refused(publish, error):
        calls.append(publish)
        raise SystemExit("from the application")

    background = publisher(on_refused=on_refused)
    assert [background.publish("u", None) for _ in range(3)] == [False] * 3
    await until(lambda: background.counters.callback_errors == 3)
    assert (len(calls), background.counters.refused) == (3, 3)


def test_a_slow_callback_does_not_hold_up_what_is_sent(publisher, memory):
    released = threading.Event()
    background = publisher(on_refused=lambda *_: released.wait(20))
    background.publish("u", None)
    background.publish("u", said("good"))

    assert background.flush(10)
    assert published(memory) == ["good"]
    released.set()


async def test_a_folder_that_cannot_be_made_is_reported_and_a_later_one_is_used(publisher, refusals, tmp_path, memory):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    background = publisher(spool_folder=blocked)

    assert background.publish("u", said("lost")) is False
    await until(lambda: refusals.kinds == [SpoolError])
    assert background.flush(0) is False
    assert background.counters.waiting == 0
    blocked.unlink()
    assert background.publish("u", said("kept")) is True
    assert background.flush(10)
    assert published(memory) == ["kept"]


async def test_a_full_spool_refuses_what_is_new(publisher, refusals):
    background = publisher(url_endpoint=NOWHERE, max_bytes=2000)
    taken = [background.publish("u", said("x" * 400)) for _ in range(5)]

    assert taken == [True, True, True, False, False]
    await until(lambda: refusals.kinds == [SpoolFullError] * 2)
    counters = background.counters
    assert (counters.taken, counters.refused, counters.waiting) == (3, 2, 3)
    assert 1500 < counters.bytes <= 2000


async def test_or_it_drops_what_is_oldest(publisher, refusals, memory):
    background = publisher(url_endpoint=NOWHERE, max_bytes=2000, when_full="drop_oldest")
    for number in range(5):
        assert background.publish("u", [{"role": "User", "content": f"{number}" * 400, "user_action": "click"}])
    await until(lambda: len(refusals.told) == 2)

    assert [publish.interactions[0].content[0] for publish, _ in refusals.told] == ["0", "1"]
    assert refusals.told[0][0].interactions[0].user_action is reflexio.UserActionType.CLICK
    assert background.publish("u", said("x" * 3000)) is False
    assert background.counters.waiting == 3


async def test_a_folder_that_is_removed_is_made_again_with_what_was_in_it(publisher, tmp_path, memory):
    memory.stop()
    background = publisher()
    assert background.publish("u", said("first"))
    [folder] = tmp_path.iterdir()
    shutil.rmtree(folder.rename(tmp_path / "removed"))

    assert background.publish("u", said("second"))
    assert background.counters.waiting == 2
    memory.start()
    assert background.flush(20)
    assert published(memory) == ["first", "second"]


def test_a_damaged_file_is_set_aside(publisher, tmp_path, memory):
    publisher(url_endpoint=memory.url).close()
    [folder] = tmp_path.iterdir()
    (folder / "spool.db").write_bytes(b"no database " * 1000)
    background = publisher()

    assert [background.publish("u", said("x")) for _ in range(2)][-1] is True
    assert background.flush(10)
    assert [file.name for file in folder.iterdir() if "damaged" in file.name]


def test_a_disk_that_is_full_is_reported(publisher, refusals, tmp_path):
    background = publisher(url_endpoint=NOWHERE)
    # The database may grow no further: the same error as from a disk without space.
    background._core._spool._connection.execute("pragma max_page_count = 1")
    taken = [background.publish("u", said("x" * 3000)) for _ in range(20)]

    assert taken[-1] is False
    background.close(0)
    assert SpoolError in refusals.kinds
    assert background.counters.waiting == taken.count(True)


def test_times_are_those_of_the_hand_over(publisher, memory):
    memory.stop()
    background = publisher()
    before = time.time_ns()
    background.publish("u", [{"content": "now"}, {"content": "then", "created_at": 1_700_000_000}])
    after = time.time_ns()
    memory.start()
    assert background.flush(20)

    [request] = [r for r in memory.requests if hasattr(r, "interactions")]
    now, then = (interaction.created_at.ToNanoseconds() for interaction in request.interactions)
    assert before <= now <= after
    assert then == 1_700_000_000 * 10**9


def test_what_is_changed_afterwards_is_not_sent(publisher, memory):
    memory.stop()
    background = publisher()
    interactions = said("as it was")
    background.publish("u", interactions, "web", "v7", "s", True, True, idempotency_key="mine")
    interactions[0]["content"] = "changed"
    memory.start()
    assert background.flush(20)

    [request] = [r for r in memory.requests if hasattr(r, "interactions")]
    assert request.interactions[0].content == "as it was"
    assert (request.source, request.agent_version, request.session_id) == ("web", "v7", "s")
    assert (request.skip_aggregation, request.force_extraction, request.wait_for_response) == (True, True, False)
    assert request.idempotency_key == "mine"


def test_no_key_is_on_disk_and_nobody_else_may_read(publisher, tmp_path):
    background = publisher(url_endpoint=NOWHERE, api_key="secret-key-123")
    background.publish("u", said("private"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert len(files) >= 2
    assert not any(b"secret-key-123" in file.read_bytes() for file in files)
    assert [file.stat().st_mode & 0o077 for file in files] == [0] * len(files)


def test_another_endpoint_key_or_account_is_another_spool(publisher):
    first = publisher(url_endpoint=NOWHERE, api_key="a")
    first.publish("u", said("x"))
    others = [
        {"url_endpoint": "http://127.0.0.1:10", "api_key": "a"},
        {"url_endpoint": "https://127.0.0.1:9", "api_key": "a"},
        {"url_endpoint": NOWHERE, "api_key": "b"},
        {"url_endpoint": NOWHERE, "api_key": "a", "account": "acme"},
    ]

    assert [publisher(**other).counters.waiting for other in others] == [0] * 4
    assert publisher(url_endpoint="127.0.0.1:9/", api_key="a").counters.waiting == 1
    publisher(url_endpoint=NOWHERE, api_key="old", account="acme").publish("u", said("y"))
    assert publisher(url_endpoint=NOWHERE, api_key="new", account="acme").counters.waiting == 1


def test_the_usual_folder_follows_the_rules_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert default_folder() == tmp_path / ".local/state/reflexio/spool"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_folder() == tmp_path / "state/reflexio/spool"
    monkeypatch.setenv("REFLEXIO_SPOOL_DIR", "/elsewhere")
    assert str(default_folder()) == "/elsewhere"


def test_the_callers_connection_never_carries_the_log_into_the_file(publisher):
    connection = publisher(url_endpoint=NOWHERE)._core._spool._connection
    settings = [
        connection.execute(f"pragma {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
    ]

    assert settings == ["wal", 1, 0]
    assert isinstance(connection, sqlite3.Connection)


@pytest.mark.parametrize(
    "options",
    [{"max_bytes": 0}, {"when_full": "wait"}, {"max_age": 0}, {"concurrency": 0}, {"on_refused": 7}, {"timeout": -1}],
)
def test_options_that_make_no_sense_are_told_at_once(options, tmp_path):
    with pytest.raises(InvalidArgumentError):
        reflexio.BackgroundPublisher(url_endpoint=NOWHERE, spool_folder=tmp_path, **options)
