"""`reflexio publish`: one from the flags, many from a file or standard input."""

import base64
import json

import pytest

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def contents(run, user_id):
    """What is stored of the test's user, oldest first."""

    def read():
        return [found["content"] for found in objects(run("interactions", user_id, "--json").stdout)][::-1]

    return read


def test_a_text_is_stored(run, user_id, contents):
    result = run("publish", "--user", user_id, "Where is my parcel?")
    assert result.exit_code == 0
    assert result.stdout.strip()
    assert contents() == ["Where is my parcel?"]


def test_everything_that_the_flags_say_is_stored(run, user_id, tmp_path):
    picture = tmp_path / "shot.png"
    picture.write_bytes(PIXEL)
    flags = ["--role", "Agent", "--content", "Look", "--action", "click", "--action-description", "on the cart"]
    flags += ["--image", picture, "--source", "web", "--agent-version", "v2", "--session", f"s-{user_id}"]
    published = run("publish", "-u", user_id, *flags, "--wait", "--json")
    assert published.exit_code == 0, published.stderr
    answer = json.loads(published.stdout)
    [session] = objects(run("sessions", "--user", user_id, "--json").stdout)
    [stored] = session["requests"]
    assert session["session_id"] == f"s-{user_id}"
    assert stored["request"]["request_id"] == answer["request_id"]
    assert (stored["request"]["source"], stored["request"]["agent_version"]) == ("web", "v2")
    [interaction] = stored["interactions"]
    assert [interaction["interaction_id"]] == answer["interaction_ids"]
    assert (interaction["role"], interaction["content"], interaction["user_action"]) == ("Agent", "Look", "click")
    assert interaction["user_action_description"] == "on the cart"
    assert interaction["has_image"]


def test_the_same_key_stores_once(run, user_id, contents):
    for _ in range(2):
        assert run("publish", "-u", user_id, "once", "--idempotency-key", user_id).exit_code == 0
    assert contents() == ["once"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["hello"], "--user"),
        (["-u", "u"], "TEXT"),
        (["-u", "u", "--role", "Agent"], "TEXT"),
        (["-u", "u", "hello", "--content", "hello"], "--content"),
        (["-u", "u", "--file", "-", "--content", "hello"], "--file"),
        (["-u", "u", "--file", "-", "hello"], "--file"),
        (["-u", "u", "-", "--role", "Agent"], "--file"),
        (["-u", "u", "--file", "/no/such/file"], "cannot read /no/such/file"),
        (["-u", "u", "--file", "/"], "cannot read /: Is a directory"),
        (["-u", "u", "--image", "/no/such/file"], "--image"),
        (["-u", "u", "hello", "--action", "jump"], "--action"),
        (["-u", "u", "hello", "--url", "http://user:secret@host"], "--url"),
        (["-u", "u", "hello", "--api-key", "spaces are not allowed"], "--api-key"),
    ],
)
def test_a_wrong_call_names_what_is_wrong_and_ends_with_2(run, arguments, complaint):
    result = run("publish", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "secret" not in result.stderr


def test_a_refusal_names_reason_and_field_and_ends_with_1(run, user_id, tmp_path):
    wrong = tmp_path / "notes.txt"
    wrong.write_text("no picture")
    result = run("publish", "-u", user_id, "--image", wrong)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "reason: INVALID_IMAGE, field: interactions[0].image" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_each_line_of_a_file_is_published_in_order(run, user_id, write, contents):
    file = write(
        json.dumps({"user_id": user_id, "interactions": [{"content": "a"}, {"content": "b", "role": "Agent"}]})
        + '\n{"content": "c"}\n\n{"content": "d", "created_at": "2019-05-01T00:00:00Z"}\n'
    )
    result = run("publish", "--user", user_id, "--file", file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Stored 3 publishes with 4 interactions.\n"
    assert contents() == ["d", "a", "b", "c"]


def test_with_json_each_publish_has_its_line(run, user_id, write):
    file = write('{"content": "a"}\n{"content": "b"}\n')
    answers = objects(run("publish", "-u", user_id, "-f", file, "--wait", "--json").stdout)
    assert [answer["place"] for answer in answers] == [f"{file}:1", f"{file}:2"]
    assert len({answer["request_id"] for answer in answers}) == 2


def test_a_json_document_is_published(run, user_id, write, contents):
    file = write(json.dumps([{"content": "a"}, {"content": "b"}], indent=2), "chat.json")
    assert run("publish", "-u", user_id, "-f", file).stdout == "Stored 1 publish with 2 interactions.\n"
    assert contents() == ["a", "b"]


def test_a_file_can_be_published_again_and_stores_only_what_is_new(run, user_id, write, contents):
    same = '{"content": "yes"}\n{"content": "yes"}\n'
    for text, account in (
        (same, "2 publishes with 2 interactions"),
        (same, "0 publishes with 0 interactions; 2 were there already"),
        ('{"content": "new"}\n' + same, "1 publish with 1 interaction; 2 were there already"),
    ):
        assert run("publish", "-u", user_id, "-f", write(text)).stdout == f"Stored {account}.\n"
    assert contents() == ["yes", "yes", "new"]


def test_a_failure_tells_what_was_stored_now_from_what_was_there(run, user_id, write):
    good = '{"content": "a"}\n'
    run("publish", "-u", user_id, "-f", write(good))
    failed = run("publish", "-u", user_id, "-f", write(good + "[5]\n"))
    assert "Stored before that: 0 publishes with 0 interactions; 1 was there already. Repeat" in failed.stderr


def test_a_key_of_ones_own_publishes_a_file_once_more(run, user_id, write, contents):
    file = write('{"content": "a"}\n')
    for key in ("one", "two", "two"):
        assert run("publish", "-u", user_id, "-f", file, "--idempotency-key", key).exit_code == 0
    assert contents() == ["a", "a"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"content": ', ":3: no JSON"),
        ('{"contnt": "c"}', "content"),
        ('{"content": "c", "role": "%s"}' % ("r" * 300), "role"),
        ('{"content": ""}', "interactions[0]"),
    ],
)
def test_an_import_that_fails_says_where_and_goes_on_once_mended(run, user_id, write, contents, line, complaint):
    good = '{"content": "a"}\n{"content": "b"}\n'
    file = write(good + line + '\n{"content": "d"}\n')
    result = run("publish", "-u", user_id, "-f", file)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"Error: {file}:3: " in result.stderr
    assert complaint in result.stderr
    assert "Stored before that: 2 publishes with 2 interactions." in result.stderr
    assert contents() == ["a", "b"]
    write(good + '{"content": "c"}\n{"content": "d"}\n')
    assert run("publish", "-u", user_id, "-f", file).exit_code == 0
    assert contents() == ["a", "b", "c", "d"]


def test_a_failure_at_the_first_line_says_that_nothing_was_stored(run, user_id, write):
    assert "Nothing was stored." in run("publish", "-u", user_id, "-f", write("[5]")).stderr


@pytest.mark.parametrize("arguments", [["-"], ["--file", "-"]])
def test_standard_input_is_published_each_time_anew(run, user_id, contents, arguments):
    for _ in range(2):
        assert run("publish", "-u", user_id, *arguments, stdin='{"content": "yes"}').exit_code == 0
    assert contents() == ["yes", "yes"]


def test_standard_input_with_a_key_is_published_once(run, user_id, contents):
    for _ in range(2):
        run("publish", "-u", user_id, "-", "--idempotency-key", user_id, stdin='{"content": "a"}\n{"content": "b"}\n')
    assert contents() == ["a", "b"]


def test_a_failure_of_standard_input_says_that_repeating_would_store_again(run, user_id):
    result = run("publish", "-u", user_id, "-", stdin='{"content": "a"}\noops\n')
    assert result.exit_code == 1
    assert "standard input:2: no JSON" in result.stderr
    assert "would be stored again" in result.stderr
