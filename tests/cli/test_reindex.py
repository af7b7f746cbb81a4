"""`reflexio reindex`, and what `reflexio status` says of models."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
import reflexio
from reflexio_server.cli import app
from typer.testing import CliRunner

from tests.embed.changing import NEW, OLD, Models, ask
from tests.running import running_server


@pytest.fixture
def models():
    return Models()


@pytest.fixture
def changing(postgres, models):
    """A server that can change from the old model to the new one, with something stored."""
    with running_server(postgres.new_database(), embedding_model=OLD, embedder_for=models) as server:
        with reflexio.ReflexioClient(url_endpoint=server.url) as client:
            said = [{"content": f"text {number}"} for number in range(20)]
            client.publish_interaction("ann", said, wait_for_response=True)
        yield server
        models.let_go()


def invoke(server, *arguments):
    result = CliRunner(env={"REFLEXIO_URL": server.url, "COLUMNS": None}).invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_it_ends_when_the_model_is_active(changing):
    result = invoke(changing, "reindex", "--model", NEW)
    assert (result.exit_code, result.stdout) == (0, f"The embedding model is {NEW}.\n")
    assert f"{NEW}, 32 dimensions" in invoke(changing, "status").stdout
    assert f"the settings name {OLD}" in invoke(changing, "status").stdout
    lines = invoke(changing, "reindex", "--json").stdout.splitlines()
    states = [json.loads(line) for line in lines]
    assert {state["embedding_model"] for state in states} == {OLD}, "what the settings name"
    assert states[-1]["state"] == "complete"


def test_a_model_that_cannot_be_loaded_is_named(changing):
    result = invoke(changing, "reindex", "--model", "nowhere")
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert "MODEL_UNAVAILABLE" in result.stderr


def test_cancelling_is_told_to_whoever_watches(changing, models):
    models.hold(after=1)
    ended = []
    watching = threading.Thread(target=lambda: ended.append(invoke(changing, "reindex", "--model", NEW)))
    watching.start()
    assert models.held.wait(20)
    assert f"to {NEW}: 0 of 20 interactions" in invoke(changing, "status").stdout
    assert invoke(changing, "reindex", "--cancel").stdout == f"Gave up the change to {NEW}.\n"
    assert json.loads(invoke(changing, "reindex", "--cancel", "--json").stdout) == {
        "success": True,
        "embedding_model": None,
    }
    models.let_go()
    watching.join()
    assert ended[0].exit_code == 1
    assert "given up" in ended[0].stderr


def test_an_interrupt_stops_the_watching_only(changing, models):
    models.hold(after=1)
    command = [sys.executable, "-m", "reflexio_server", "reindex", "--model", NEW, "--url", changing.url]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert models.held.wait(20)
    watching.send_signal(signal.SIGINT)
    output, errors = watching.communicate(timeout=20)
    assert (watching.returncode, output) == (130, "")
    assert "What has begun goes on" in errors
    assert "--cancel" in errors
    models.let_go()
    assert invoke(changing, "reindex", "--model", NEW).exit_code == 0


def test_cancelling_takes_no_model(changing):
    assert invoke(changing, "reindex", "--cancel", "--model", NEW).exit_code == 2


def test_status_says_what_was_set_aside_and_why(postgres):
    url = postgres.new_database()
    row = "(1, 7, 'ann', now(), 3, 'RuntimeError: too odd')"
    with running_server(url) as server:
        asyncio.run(ask(url, f"insert into embedding_queue values {row}"))
        result = invoke(server, "status")
        assert "ann, interaction 7: RuntimeError: too odd" in result.stdout
        shown = json.loads(invoke(server, "status", "--json").stdout)["newest_set_aside"]
    assert shown == [{"user_id": "ann", "interaction_id": 7, "reason": "RuntimeError: too odd"}]
