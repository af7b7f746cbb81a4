"""`publish_interactions`: one result for each, in order, whatever happens to the connection."""

import asyncio
import gc
import io
import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import reflexio
from reflexio._transport.streams import Stream

from tests.client.shells import SHELLS
from tests.embed.eventually import eventually
from tests.running import RunningServer, running_server


async def results_of(kind, url, publishes, stop_after=None, **options):
    """The results of a load through one of the clients; the generator is given up after so many."""
    if kind == "sync":

        def load():
            with reflexio.ReflexioClient(url_endpoint=url, **options) as client:
                return list(itertools.islice(client.publish_interactions(publishes), stop_after))

        return await asyncio.to_thread(load)
    found = []
    async with reflexio.AsyncReflexioClient(url_endpoint=url, **options) as client:
        given = client.publish_interactions(publishes)
        async for result in given:
            found.append(result)
            if len(found) == stop_after:
                break
        await given.aclose()
    return found


def said(user_id, number, **more):
    return {"user_id": user_id, "interactions": [{"content": f"text {number}"}], **more}


def stored(server, user_id):
    with reflexio.ReflexioClient(url_endpoint=server.url) as client:
        return [i.content for i in reversed(client.get_interactions(user_id=user_id, top_k=100_000).interactions)]


def streams():
    return [thread for thread in threading.enumerate() if thread.name == "reflexio-stream"]


async def no_stream_is_left():
    async def gone():
        gc.collect()
        return not streams()

    await eventually(gone)


@pytest.mark.parametrize("kind", SHELLS)
async def test_more_than_the_window_in_order_with_refusals_in_the_middle(server: RunningServer, user_id, kind):
    publishes = [said(user_id, n, session_id="s") for n in range(200)]
    publishes[50] = said(user_id, 50, source="\0")
    publishes[51] = {"user_id": user_id, "interactions": "no list"}
    publishes[52] = reflexio.PublishData(user_id=user_id, interactions=[{"content": ""}])
    publishes[199]["wait_for_response"] = True
    results = await results_of(kind, server.url, iter(publishes))
    refused = {n: result for n, result in enumerate(results) if isinstance(result, reflexio.ReflexioError)}
    assert set(refused) == {50, 51, 52}
    assert all(isinstance(error, reflexio.InvalidArgumentError) for error in refused.values())
    assert [error.field_violations[0].field for error in refused.values()] == [
        "source",
        "interactions",
        "interactions[0]",
    ]
    assert "source: " in str(refused[50])
    assert len(results) == 200
    assert len(results[199].interaction_ids) == 1
    assert stored(server, user_id) == [f"text {n}" for n in range(200) if n not in refused]
    await no_stream_is_left()


@pytest.mark.parametrize("kind", SHELLS)
async def test_nothing_to_publish(server: RunningServer, kind):
    assert await results_of(kind, server.url, []) == []


@pytest.mark.parametrize("kind", SHELLS)
async def test_it_asks_for_no_more_than_its_window_and_ends_when_given_up(server: RunningServer, user_id, kind):
    asked = itertools.count()
    results = await results_of(kind, server.url, (said(user_id, next(asked)) for _ in itertools.count()), stop_after=5)
    assert len(results) == 5
    assert next(asked) <= 5 + 65
    await no_stream_is_left()


@pytest.mark.parametrize("kind", SHELLS)
async def test_an_error_of_the_callers_own_comes_through(server: RunningServer, user_id, kind):
    def publishes():
        yield said(user_id, 1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await results_of(kind, server.url, publishes())
    await no_stream_is_left()


async def test_an_asynchronous_iterable(server: RunningServer, user_id):
    async def publishes():
        for n in range(100):
            await asyncio.sleep(0)
            yield said(user_id, n, session_id="s")

    results = await results_of("async", server.url, publishes())
    assert [result.success for result in results] == [True] * 100
    assert stored(server, user_id) == [f"text {n}" for n in range(100)]


@pytest.mark.parametrize("kind", SHELLS)
async def test_a_server_that_restarts_loses_and_doubles_nothing(postgres, user_id, kind):
    url = postgres.new_database()
    with running_server(url) as first:
        port = first.app.port
        halfway, may_go_on = threading.Event(), threading.Event()

        def publishes():
            for n in range(300):
                if n == 150:
                    halfway.set()
                    may_go_on.wait(20)
                yield said(user_id, n, session_id="s")

        # In a loop of its own: the iterable blocks.
        load = asyncio.create_task(
            asyncio.to_thread(lambda: asyncio.run(results_of(kind, first.url, publishes(), timeout=60)))
        )
        await asyncio.to_thread(halfway.wait, 20)
        stopping = asyncio.create_task(asyncio.to_thread(first.stop))
        may_go_on.set()
        await stopping
        first.stop = lambda: None
        with running_server(url, port=port) as second:
            results = await load
            assert [getattr(result, "success", result) for result in results] == [True] * 300
            assert stored(second, user_id) == [f"text {n}" for n in range(300)]
    await no_stream_is_left()


async def test_a_connection_that_is_cut_loses_and_doubles_nothing(server: RunningServer, user_id, monkeypatch):
    sends, send = itertools.count(), Stream.send

    def cut_now_and_then(stream, request):
        send(stream, request)
        if next(sends) in {70, 140, 250}:
            stream._call._call.cancel(14, "cut") if hasattr(stream._call._call, "cancel") else stream._call.cancel()

    monkeypatch.setattr(Stream, "send", cut_now_and_then)
    results = await results_of("sync", server.url, [said(user_id, n, session_id="s") for n in range(200)])
    assert [getattr(result, "success", result) for result in results] == [True] * 200
    assert stored(server, user_id) == [f"text {n}" for n in range(200)]


async def test_a_message_that_is_left_out_on_the_way_is_sent_again_in_its_turn(
    server: RunningServer, user_id, monkeypatch
):
    sends, send = itertools.count(), Stream.send
    monkeypatch.setattr(
        Stream, "send", lambda stream, request: send(stream, request) if next(sends) not in {3, 90} else None
    )
    results = await results_of("sync", server.url, [said(user_id, n, session_id="s") for n in range(200)])
    assert [getattr(result, "success", result) for result in results] == [True] * 200
    assert stored(server, user_id) == [f"text {n}" for n in range(200)]


@pytest.mark.parametrize("kind", SHELLS)
async def test_a_server_that_was_never_there(kind):
    with pytest.raises(reflexio.ServerUnreachableError):
        await results_of(kind, "http://127.0.0.1:9", [said("user", 1)])
    await no_stream_is_left()


def test_a_process_that_ends_in_the_middle_neither_hangs_nor_complains(server: RunningServer, user_id):
    program = (
        "import itertools, sys, reflexio\n"
        "client = reflexio.ReflexioClient(url_endpoint=sys.argv[1])\n"
        "said = {'user_id': sys.argv[2], 'interactions': [{'content': 'x'}]}\n"
        "results = client.publish_interactions(said for _ in itertools.count())\n"
        "print(next(results).success)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, server.url, user_id], timeout=30, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "True", "")


@pytest.mark.parametrize("client_class", [reflexio.ReflexioClient, reflexio.AsyncReflexioClient])
@pytest.mark.parametrize(("method", "argument"), [("publish_interactions", "publishes"), ("import_data", "records")])
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("everything.jsonl", "must be dicts, not a file name; json.loads each line"),
        (Path("everything.jsonl"), "must be dicts, not a file name; json.loads each line"),
        (io.StringIO("{}\n{}\n"), "must be dicts, not a file; json.loads each line"),
        (None, "must be an iterable of dicts, not NoneType"),
        ({"user_id": "u"}, "must be an iterable of dicts, not dict"),
    ],
)
def test_what_cannot_be_iterated_is_refused_at_once(client_class, method, argument, given, problem):
    with pytest.raises(reflexio.InvalidArgumentError) as caught:
        getattr(client_class(), method)(given)
    assert str(caught.value) == f"{argument}: {problem}"


@pytest.mark.parametrize("method", ["publish_interactions", "import_data"])
def test_the_blocking_client_takes_no_asynchronous_iterable(method):
    async def nothing():
        yield

    with pytest.raises(reflexio.InvalidArgumentError, match="asynchronous ones are for AsyncReflexioClient"):
        getattr(reflexio.ReflexioClient(), method)(nothing())
