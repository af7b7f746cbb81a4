"""`reflexio delete`."""

import json

import pytest


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def stored(run, user_id):
    """Four interactions of the test's user in three requests, two of them in one session; as --json shows them."""
    lines = [
        {"session_id": f"{user_id}-s", "interactions": [{"content": "a"}, {"content": "b"}]},
        {"session_id": f"{user_id}-s", "interactions": [{"content": "c"}]},
        {"interactions": [{"content": "d"}]},
    ]
    run("publish", "-u", user_id, "-", stdin="".join(json.dumps(line) + "\n" for line in lines))
    found = objects(run("interactions", user_id, "--json").stdout)
    return {interaction["content"]: interaction for interaction in found}


@pytest.fixture
def left(run, user_id):
    def read():
        return {found["content"] for found in objects(run("interactions", user_id, "--json").stdout)}

    return read


def test_several_interactions_are_deleted_at_once(run, user_id, stored, left):
    ids = [stored[name]["interaction_id"] for name in "ac"]
    result = run("delete", "interaction", user_id, *ids, "--json")
    assert result.exit_code == 0, result.stderr
    assert [answer["deleted_interactions_count"] for answer in objects(result.stdout)] == [1, 1]
    assert left() == {"b", "d"}


def test_another_users_interaction_is_not_deleted_and_that_is_said(run, stored, left):
    result = run("delete", "interaction", "somebody-else", stored["a"]["interaction_id"])
    assert result.exit_code == 0
    assert "nothing was deleted" in result.stdout
    assert left() == {"a", "b", "c", "d"}


def test_several_requests_are_deleted_at_once(run, stored, left):
    ids = [stored[name]["request_id"] for name in "ad"]
    result = run("delete", "request", *ids, "unknown", "--json")
    [answer] = objects(result.stdout)
    assert (answer["deleted_count"], answer["deleted_interactions_count"]) == (2, 3)
    assert left() == {"c"}


def test_a_session_is_deleted_for_one_user_or_for_all(run, user_id, stored, left):
    session = stored["a"]["session_id"]
    run("publish", "-u", f"{user_id}-other", "--session", session, "theirs")
    run("delete", "session", session, "--user", user_id)
    assert left() == {"d"}
    [other] = objects(run("sessions", "--session", session, "--json").stdout)
    assert other["requests"][0]["request"]["user_id"] == f"{user_id}-other"
    [answer] = objects(run("delete", "session", session, "--json").stdout)
    assert answer["deleted_requests_count"] == 1
    assert run("sessions", "--session", session, "--json").stdout == ""


def test_everything_is_deleted_only_after_a_yes(run, fresh_server):
    here = ["--url", fresh_server.url]
    for user in ("ann", "bob"):
        run("publish", "-u", user, "hello", *here)
    for answer, code in (("n\n", 1), ("", 2)):
        refused = run("delete", "all", *here, stdin=answer)
        assert refused.exit_code == code
        assert fresh_server.url in refused.stderr
        assert "deleted" not in refused.stdout
    assert len(objects(run("interactions", "--all", "--json", *here).stdout)) == 2
    answer = json.loads(run("delete", "all", "--json", *here, stdin="y\n").stdout.splitlines()[-1])
    assert answer["deleted_interactions_count"] == 2
    assert run("delete", "all", "--yes", *here).exit_code == 0
    assert run("interactions", "--all", "--json", *here).stdout == ""


@pytest.mark.parametrize("arguments", [["interaction", "u"], ["interaction", "u", "x"], ["interaction", "u", "0"]])
def test_an_interaction_has_a_number(run, arguments):
    assert run("delete", *arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [["request"], ["session"], ["nothing"]])
def test_a_delete_says_what(run, arguments):
    assert run("delete", *arguments).exit_code == 2
