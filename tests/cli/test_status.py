"""`reflexio status`, and what every command says when no server is there."""

import json
import re
import socket

import pytest
from reflexio_server import __version__


@pytest.fixture
def nowhere():
    """An address at which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_status_says_what_the_server_is(run, server):
    result = run("status")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == ["serving", server.url]
    for fact in (
        server.url,
        __version__,
        "postgres",
        "wait for being embedded",
        "on this replica",
        "admin of organisation 1 (default); this server asks for no key",
    ):
        assert fact in result.stdout


def test_status_counts_in_words_that_fit(run, fresh_server):
    here = ["--url", fresh_server.url]
    assert re.search(r"index +nobody was searched lately, on this replica\n", run("status", *here).stdout)
    run("publish", "-u", "ann", "hello", "--wait", *here)
    run("search", "ann", "hello", *here)
    told = run("status", *here).stdout
    assert re.search(r"index +[1-9][0-9.]* KiB for 1 user, on this replica\n", told)
    assert re.search(r"backlog +0 interactions wait for being embedded\n", told)


def test_status_for_machines(run, server):
    status = json.loads(run("status", "--json").stdout)
    assert status["serving"] is True
    assert status["url"] == server.url
    assert status["version"] == __version__
    assert status["embedding_backlog_count"] >= 0
    assert status["embedding_set_aside_count"] == 0
    assert status["index_memory_bytes"] >= 0
    assert "oldest_waiting_seconds" in status
    assert status["caller"]["organization_id"] == 1


def test_status_of_nothing_is_a_failure_also_for_machines(run, nowhere):
    result = run("status", "--json", "--url", nowhere)
    assert result.exit_code == 1
    status = json.loads(result.stdout)
    assert (status["serving"], status["url"], status["reason"]) == (False, nowhere, "UNAVAILABLE")


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["publish", "-u", "u", "hello"],
        ["search", "u", "q"],
        ["interactions", "u"],
        ["sessions"],
        ["delete", "request", "r"],
    ],
)
def test_a_server_that_is_not_there_is_told_with_what_to_check(run, nowhere, arguments):
    result = run(*arguments, "--url", nowhere)
    assert (result.exit_code, result.stdout) == (1, "")
    assert nowhere in result.stderr
    assert "reflexio serve" in result.stderr
    assert "--url" in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_an_import_without_a_server_stores_nothing_and_says_so(run, nowhere):
    result = run("publish", "-u", "u", "-", "--url", nowhere, stdin='{"content": "a"}')
    assert result.exit_code == 1
    assert "Nothing was stored." in result.stderr


def test_the_address_may_come_from_the_environment(run, nowhere):
    result = run("search", "u", "q", REFLEXIO_API_URL=nowhere)
    assert result.exit_code == 1
    assert "REFLEXIO_API_URL" in result.stderr


def test_a_refusal_of_the_server_says_by_what_its_log_knows_the_call(run, server):
    result = run("interactions", "")
    assert result.exit_code == 1
    assert re.search(r"reason: INVALID_FIELD, field: user_id, request id: [0-9a-f-]{36}\n", result.stderr)
