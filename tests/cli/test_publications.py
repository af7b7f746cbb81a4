"""What is read from JSON Lines and JSON documents."""

import io
import json
from datetime import UTC, datetime

import pytest
from reflexio_server.cli.publications import BadEntryError, Reader


def read(text, *, key_scope=None, **defaults):
    stream = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    return list(Reader(stream, "chat.jsonl", defaults, key_scope))


def lines(*pieces):
    return "".join(json.dumps(piece) + "\n" for piece in pieces)


def test_each_line_is_a_publish_and_a_bare_interaction_is_one_of_its_own():
    entries = read(
        lines(
            {"user_id": "ann", "session_id": "s", "interactions": [{"content": "a"}, {"content": "b"}]},
            {"role": "Agent", "content": "c"},
            {"content": "d", "user_id": "cid", "source": "web"},
        ),
        user_id="bob",
        source="cli",
    )
    assert [entry.arguments for entry in entries] == [
        {"user_id": "ann", "source": "cli", "session_id": "s", "interactions": [{"content": "a"}, {"content": "b"}]},
        {"user_id": "bob", "source": "cli", "interactions": [{"role": "Agent", "content": "c"}]},
        {"user_id": "cid", "source": "web", "interactions": [{"content": "d"}]},
    ]
    assert [(entry.place, entry.number, entry.count) for entry in entries] == [
        ("chat.jsonl:1", 1, 2),
        ("chat.jsonl:2", 2, 1),
        ("chat.jsonl:3", 3, 1),
    ]


def test_blank_lines_count_but_are_not_published():
    entries = read('\n  \n{"content": "a"}\n\n{"content": "b"}', user_id="u")
    assert [entry.place for entry in entries] == ["chat.jsonl:3", "chat.jsonl:5"]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_input_has_no_publishes(text):
    assert read(text, user_id="u") == []


def test_a_file_from_windows_is_read():
    assert read(b'\xef\xbb\xbf{"content": "a"}\r\n{"content": "b"}\r\n', user_id="u")[1].arguments["interactions"] == [
        {"content": "b"}
    ]


def test_a_document_with_one_publish():
    document = json.dumps({"user_id": "u", "interactions": [{"content": "a"}]}, indent=2)
    [entry] = read(document)
    assert entry.arguments == {"user_id": "u", "interactions": [{"content": "a"}]}
    assert entry.place == "chat.jsonl"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_bare_interactions_is_one_publish(indent):
    [entry] = read(json.dumps([{"content": "a"}, {"content": "b"}], indent=indent), user_id="u")
    assert entry.arguments == {"user_id": "u", "interactions": [{"content": "a"}, {"content": "b"}]}


def test_a_list_of_publishes_is_as_many():
    entries = read(json.dumps([{"user_id": "u", "interactions": [{"content": "a"}]}, {"user_id": "v", "content": "b"}]))
    assert [entry.arguments["user_id"] for entry in entries] == ["u", "v"]
    assert [entry.place for entry in entries] == ["chat.jsonl[0]", "chat.jsonl[1]"]


def test_null_is_as_if_it_were_not_there():
    [entry] = read(lines({"user_id": "u", "session_id": None, "interactions": [{"content": "a"}]}), session_id="s")
    assert entry.arguments["session_id"] == "s"


def test_times_may_be_iso_or_seconds():
    entries = read(
        lines({"content": "a", "created_at": "2026-03-01T09:30:00Z"}, {"content": "b", "created_at": 5}), user_id="u"
    )
    times = [entry.arguments["interactions"][0]["created_at"] for entry in entries]
    assert times == [datetime(2026, 3, 1, 9, 30, tzinfo=UTC), 5]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"content": "b"', "chat.jsonl:2: no JSON"),
        ('{"content": NaN}', "chat.jsonl:2: no JSON: NaN"),
        ("[" * 100_000, "chat.jsonl:2: no JSON"),
        (b'{"content": "\xff"}', "chat.jsonl:2: no JSON: byte 13 is no UTF-8"),
        ("5", "chat.jsonl:2: a JSON object is expected, not a number"),
        ("[]", "chat.jsonl:2: a JSON object is expected, not a list"),
        ('{"interactions": {}}', "chat.jsonl:2: interactions: a list is expected, not an object"),
        ('{"interactions": ["x"]}', r"chat.jsonl:2: interactions\[0\]: an object is expected, not a string"),
        ('{"interactions": [], "role": "User"}', "chat.jsonl:2: role: a publish has no such field"),
        ('{"user_id": 5, "content": "x"}', "chat.jsonl:2: user_id: a string is expected, not a number"),
        ('{"user_id": "", "content": "x"}', "chat.jsonl:2: user_id: missing"),
        ('{"content": "x", "force_extraction": 1}', "chat.jsonl:2: force_extraction: true or false is expected"),
        ('{"content": "x", "created_at": "soon"}', "chat.jsonl:2: created_at: seconds since 1970 or an ISO"),
        (
            '{"interactions": [{"content": "x"}, {"content": "x", "created_at": ""}]}',
            r"chat.jsonl:2: interactions\[1\].created_at: seconds",
        ),
    ],
)
def test_a_bad_line_is_named_with_its_field_after_the_good_ones_were_given_out(line, complaint):
    line = line if isinstance(line, bytes) else line.encode()
    reader = iter(Reader(io.BytesIO(b'{"content": "a"}\n' + line + b"\n"), "chat.jsonl", {"user_id": "u"}, None))
    assert next(reader).number == 1
    with pytest.raises(BadEntryError, match=complaint):
        next(reader)


def test_a_document_that_breaks_off_names_the_line():
    with pytest.raises(BadEntryError, match=r"chat.jsonl:4: no JSON"):
        read('\n{\n  "user_id": "u",\n  oops\n}')


def test_a_missing_user_is_named_with_the_flag():
    with pytest.raises(BadEntryError, match=r"chat.jsonl:1: user_id: missing; give it here or with --user"):
        read(lines({"content": "a"}))


def keys(text, scope="/data/chat.jsonl", **defaults):
    return [entry.arguments["idempotency_key"] for entry in read(text, key_scope=scope, user_id="u", **defaults)]


def test_keys_survive_mended_moved_and_added_lines():
    first, second, third = ({"content": name} for name in "abc")
    before = keys(lines(first, second))
    assert keys(lines(first, second)) == before
    assert keys(lines(third, second) + "\n" + lines(first))[1:] == before[::-1]


def test_equal_lines_have_keys_of_their_own():
    assert len(set(keys(lines(*[{"content": "yes"}] * 3)))) == 3


def test_another_file_another_user_or_another_session_makes_another_key():
    text = lines({"content": "yes"})
    assert (
        len({*keys(text), *keys(text, "/data/other.jsonl"), *keys(text, session_id="s"), *keys(text, source="w")}) == 4
    )


def test_keys_fit_the_contract():
    assert all(len(key) <= 128 for key in keys(lines({"content": "x" * 10_000}) * 2))


def test_a_key_of_the_line_is_kept_and_none_is_made_without_a_scope():
    assert keys(lines({"content": "a", "idempotency_key": "mine"})) == ["mine"]
    assert "idempotency_key" not in read(lines({"content": "a"}), user_id="u")[0].arguments


def test_lines_are_read_one_at_a_time():
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            text = b'{"content": "a"}\n'
            buffer[: len(text)] = text
            return len(text)

    reader = iter(Reader(io.BufferedReader(Endless()), "-", {"user_id": "u"}, None))
    assert [next(reader).number for _ in range(3)] == [1, 2, 3]
