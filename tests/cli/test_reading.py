"""`reflexio search`, `interactions` and `sessions`."""

import json
import re
from datetime import UTC, datetime

import pytest

HOSTILE = "\x1b[2J\x1b]0;owned\x07 [bold]loud[/bold] \u202edetrevni\u2066 \x9b31m"


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def history(run, user_id):
    """Two sessions of the test's user: of 2020 and of 2021."""
    lines = [
        {
            "session_id": f"{user_id}-first",
            "source": "web",
            "interactions": [
                {"role": "User", "content": "my parcel is late", "created_at": "2020-06-01T10:00:00Z"},
                {"role": "Agent", "content": "the parcel arrives tomorrow", "created_at": "2020-06-01T10:01:00Z"},
            ],
        },
        {
            "session_id": f"{user_id}-second",
            "source": "phone",
            "interactions": [{"role": "User", "content": "parcel and refund", "created_at": "2021-06-01T10:00:00Z"}],
        },
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert run("publish", "-u", user_id, "-", stdin=text).exit_code == 0
    return user_id


def contents(result):
    assert result.exit_code == 0, result.stderr
    return [found["content"] for found in objects(result.stdout)]


def test_search_shows_what_fits_best_first(run, history):
    result = run("search", history, "refund", "--mode", "fts")
    header, first, *_ = result.stdout.splitlines()
    assert header.split() == ["SCORE", "ID", "WHEN", "ROLE", "INTERACTION"]
    assert first.endswith("  User  parcel and refund")


def test_search_explains_its_scores_and_how_it_understood(run, history):
    result = run("search", history, "what did the agent say of my parcel in June 2020", "--explain")
    header, first, *_ = result.stdout.splitlines()
    assert header.split() == ["SCORE", "WORDS+MEANING+ROLE+TIME+STATEMENT", "ID", "WHEN", "ROLE", "INTERACTION"]
    score, parts = re.fullmatch(r"(0\.\d{3})  ([0-9.+ ]+?)  +\d+  .*the parcel arrives tomorrow", first).groups()
    numbers = [float(part) for part in parts.split(" + ")]
    assert len(numbers) == 5
    assert min(numbers) > 0
    assert sum(numbers) == pytest.approx(float(score), abs=0.03)
    assert "Agent" in result.stderr
    assert "2020-06-01" in result.stderr
    assert "STATEMENT" not in run("search", history, "parcel").stdout


def test_search_for_machines_explains_too(run, history):
    result = run("search", history, "what did the agent say of my parcel", "--explain", "--json")
    for found in objects(result.stdout):
        assert set(found["explanation"]) == {"words", "meaning", "role", "time", "statement"}
        assert sum(found["explanation"].values()) == pytest.approx(found["score"], abs=1e-5)
    assert "Agent" in result.stderr
    assert all("explanation" not in found for found in objects(run("search", history, "parcel", "--json").stdout))


def test_a_role_that_a_query_names_drives_no_terminal(run, user_id):
    published = json.dumps({"role": "evil\x1b[2J\u202e", "content": "hello"})
    assert run("publish", "-u", user_id, "-", stdin=published).exit_code == 0
    said = run("search", user_id, "what did evil 2j say", "--explain").stderr
    assert "Roles named: evil" in said
    assert not {"\x1b", "\u202e"} & set(said)


def test_search_leaves_out_what_does_not_reach_a_score(run, history):
    scores = [found["score"] for found in objects(run("search", history, "refund", "--json").stdout)]
    assert len(scores) == 3
    flags = ["--min-score", str(scores[0]), "--json"]
    assert [found["score"] for found in objects(run("search", history, "refund", *flags).stdout)] == scores[:1]
    result = run("search", history, "refund", "--min-score", "1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing reaches 1; the best has 0." in result.stderr


def test_a_search_that_finds_nothing_says_why(run, history):
    assert run("search", f"no-{history}", "refund").stderr == f"Nothing is stored for 'no-{history}'.\n"
    for flags in (["--source", "letter"], ["--source", "letter", "--min-score", "0.5"]):
        assert run("search", history, "refund", *flags).stderr == "Nothing found.\n"
    assert run("search", f"no-{history}", "refund", "--json").stderr == ""


def test_search_for_machines_has_scores_and_everything(run, history):
    found = objects(run("search", history, "refund", "--mode", "fts", "--json").stdout)[0]
    assert found["score"] > 0
    assert found["content"] == "parcel and refund"
    assert found["created_at"] == datetime(2021, 6, 1, 10, tzinfo=UTC).timestamp()
    assert found["user_id"] == history
    assert found["session_id"] == f"{history}-second"
    assert "image_encoding" not in found


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        (["--role", "Agent"], 1),
        (["--source", "phone"], 1),
        (["--session", "{user}-first"], 2),
        (["--request", "none"], 0),
        (["--since", "2021-01-01"], 1),
        (["--until", "2020-12-31"], 2),
        (["--since", "2020-06-01T10:01:00Z", "--until", "1591005660"], 1),
        (["--most-recent", "2"], 2),
        (["--top-k", "1"], 1),
        (["--mode", "vector"], 3),
        ([], 3),
    ],
)
def test_search_narrows_by_every_flag(run, history, flags, count):
    flags = [flag.format(user=history) for flag in flags]
    assert len(contents(run("search", history, "parcel", *flags, "--json"))) == count


def test_search_without_a_query_lists_the_newest(run, history):
    assert contents(run("search", history, "--top-k", "2", "--json")) == [
        "parcel and refund",
        "the parcel arrives tomorrow",
    ]
    assert "SCORE" not in run("search", history).stdout


def test_nothing_found_is_said_beside_standard_output(run, user_id):
    result = run("search", user_id, "anything")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing is stored" in result.stderr
    assert run("search", user_id, "anything", "--json").stdout == ""


def test_times_are_shown_in_local_time(run, history):
    assert (
        datetime(2021, 6, 1, 10, tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        in run("interactions", history).stdout
    )


def test_interactions_come_newest_first_and_as_many_as_wanted(run, history):
    assert contents(run("interactions", history, "--limit", "2", "--json")) == [
        "parcel and refund",
        "the parcel arrives tomorrow",
    ]
    assert contents(run("interactions", history, "--until", "2020-06-01T10:00:00Z", "--json")) == ["my parcel is late"]


def test_interactions_of_every_user_name_the_user(run, user_id):
    run("publish", "-u", user_id, "newest of all", "--wait")
    result = run("interactions", "--all", "--limit", "50")
    assert "USER" in result.stdout.splitlines()[0]
    assert any(user_id in line and "newest of all" in line for line in result.stdout.splitlines())


def test_a_table_is_cut_to_the_terminal_and_json_is_not(run, user_id):
    run("publish", "-u", user_id, "word " * 500)
    lines = run("interactions", user_id, COLUMNS="70").stdout.splitlines()
    assert all(len(line) <= 70 for line in lines)
    assert lines[1].endswith("…")
    assert contents(run("interactions", user_id, "--json", COLUMNS="70")) == ["word " * 500]


@pytest.mark.parametrize("command", ["search", "interactions", "sessions"])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_stored_text_drives_no_terminal(run, user_id, command, flags):
    published = json.dumps({"role": HOSTILE, "content": HOSTILE, "session_id": HOSTILE, "source": HOSTILE})
    assert run("publish", "-u", user_id, "-", stdin=published).exit_code == 0
    subject = ["--user", user_id] if command == "sessions" else [user_id]
    out = run(command, *subject, *flags).stdout
    assert out
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"} & set(out)
    assert "[bold]loud[/bold]" in out


def test_sessions_show_their_requests_and_interactions(run, history):
    lines = run("sessions", "--user", history).stdout.splitlines()
    assert lines[0] == f"Session {history}-second"
    assert lines[1].strip().endswith(f"{history}  phone")
    assert lines[2].strip().endswith("User: parcel and refund")
    assert lines[3] == f"Session {history}-first"
    assert lines[6].strip().endswith("Agent: the parcel arrives tomorrow")


def test_sessions_page_by_requests_and_say_that_there_are_more(run, history):
    first = run("sessions", "--user", history, "--limit", "1")
    assert "--offset 1" in first.stderr
    second = run("sessions", "--user", history, "--limit", "1", "--offset", "1", "--json")
    assert [session["session_id"] for session in objects(second.stdout)] == [f"{history}-first"]
    assert second.stderr == ""


def test_sessions_are_found_by_session_request_and_time(run, history):
    [session] = objects(run("sessions", "--session", f"{history}-first", "--json").stdout)
    [published] = session["requests"]
    request_id = published["request"]["request_id"]
    assert [found["content"] for found in published["interactions"]] == [
        "my parcel is late",
        "the parcel arrives tomorrow",
    ]
    assert objects(run("sessions", "--request", request_id, "--json").stdout) == [session]
    assert objects(run("sessions", "--user", history, "--since", "1h", "--json").stdout)[1] == session
    assert objects(run("sessions", "--user", history, "--until", "1h", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["search"], "USER"),
        (["search", "u", "q", "--top-k", "0"], "--top-k"),
        (["search", "u", "q", "--mode", "magic"], "--mode"),
        (["search", "u", "q", "--min-score", "1.5"], "--min-score"),
        (["search", "u", "q", "--min-score", "much"], "--min-score"),
        (["search", "u", "q", "--since", "soon"], "'soon' is no time; give 2026-03-01"),
        (["search", "u", "q", "--until", "1772357400000"], "are these milliseconds"),
        (["interactions"], "USER"),
        (["interactions", "u", "--all"], "USER"),
        (["interactions", "--all", "--since", "1d"], "--since"),
        (["interactions", "u", "--limit", "0"], "--limit"),
        (["sessions", "--offset", "-1"], "--offset"),
        (["sesions"], "Did you mean 'sessions'"),
    ],
)
def test_a_wrong_call_names_what_is_wrong_and_ends_with_2(run, arguments, complaint):
    result = run(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("interactions", "u", "-n", "x"), "'-n': must be a whole number"),
        (("interactions", "u", "-n", "1.5"), "'-n': must be a whole number"),
        (("interactions", "u", "-n", "0"), "'-n': must be at least 1"),
        (("interactions", "u", "--timeout", "x"), "'--timeout': must be a number"),
        (("search", "u", "q", "--min-score", "7"), "'--min-score': must be at most 1"),
        (("search", "u", "q", "--mode", "x"), "'--mode': 'x' is not one of 'vector', 'fts', 'hybrid'"),
        (("keys", "revoke", "x"), "'ID': must be a whole number"),
        (("interactions", "u", "--since", "x"), "'--since': "),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_words_of_ours(run, arguments, told):
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert "Input should" not in refused.stderr
    assert "Value error" not in refused.stderr
