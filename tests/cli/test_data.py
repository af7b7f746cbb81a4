"""`reflexio export`, `import`, `retention` and `delete user`."""

import json
import os
from errno import ENOSPC

import pytest

from tests.running import running_server
from tests.validate.pictures import picture


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def stored(run, user_id):
    """Three requests of the test's user."""
    for text in ("one", "two", "Grüße 🎉 \x1b[2J"):
        assert run("publish", "-u", user_id, text).exit_code == 0


@pytest.fixture(scope="module")
def elsewhere(postgres):
    """The flag for another server, into which nobody publishes."""
    with running_server(postgres.new_database()) as server:
        yield ["--url", server.url]


@pytest.mark.usefixtures("stored")
def test_an_export_is_imported_elsewhere_and_again(run, user_id, tmp_path, elsewhere):
    file = tmp_path / "data.jsonl"
    file.write_text("an older export")
    done = run("export", "--user", user_id, "--output", file)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "exported 3 requests with 3 interactions" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]
    assert b"\x1b" not in file.read_bytes()
    first = run("import", file, *elsewhere)
    assert (first.exit_code, first.stdout) == (0, "")
    assert first.stderr == "imported 3 requests with 3 interactions\n"
    again = run("import", file, *elsewhere)
    assert again.stderr == "imported 0 requests with 0 interactions; 3 requests were there already\n"
    assert run("export", "-u", user_id, *elsewhere).stdout == file.read_text()
    piped = run("import", "-", "--quiet", *elsewhere, stdin=file.read_text())
    assert (piped.exit_code, piped.stderr) == (0, "")


@pytest.mark.usefixtures("stored")
def test_an_export_is_not_published(run, user_id, tmp_path):
    file = tmp_path / "everything.jsonl"
    run("export", "-u", user_id, "-o", file)
    refused = run("publish", "-f", file)
    assert refused.exit_code == 1
    assert refused.stderr == f"Error: {file}:1: this is an export; `reflexio import` stores it\nNothing was stored.\n"


@pytest.mark.usefixtures("stored")
def test_machines_get_json(run, user_id, tmp_path, elsewhere):
    file = tmp_path / "data.jsonl"
    done = run("export", "-u", user_id, "-o", file, "--json")
    assert objects(done.stdout) == [{"requests": 3, "interactions": 3, "output": str(file)}]
    assert done.stderr == ""
    results = objects(run("import", file, "--json", *elsewhere).stdout)
    assert [result["outcome"] for result in results] == ["imported"] * 3
    assert [result["place"] for result in results] == [f"{file}:{n}" for n in (1, 2, 3)]
    assert [result["request_id"] for result in results] == [one["request_id"] for one in objects(file.read_text())]


@pytest.mark.usefixtures("stored")
def test_a_line_that_is_refused_is_named_and_the_others_are_imported(run, user_id, write, elsewhere):
    lines = run("export", "-u", user_id).stdout.splitlines()
    conflicting = {**json.loads(lines[0]), "user_id": "somebody else"}
    file = write("\n".join([lines[0], "{no json", "", lines[1], '{"user_id": 3}', json.dumps(conflicting), lines[2]]))
    done = run("import", file, *elsewhere)
    assert done.exit_code == 1
    for place in (2, 5, 6):
        assert f"Error: {file}:{place}: " in done.stderr
    assert "IMPORT_CONFLICT" in done.stderr
    assert done.stderr.endswith("imported 3 requests with 3 interactions; 3 lines were refused\n")
    results = objects(run("import", file, "--json", *elsewhere).stdout)
    assert sorted((r["place"].rpartition(":")[2], r["outcome"]) for r in results) == [
        ("1", "already_there"),
        ("2", "refused"),
        ("4", "already_there"),
        ("5", "refused"),
        ("6", "refused"),
        ("7", "already_there"),
    ]


def test_many_bad_lines_do_not_flood_the_terminal(run, write):
    done = run("import", write("[\n" * 500))
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 10 + 2
    assert "500 lines were refused" in done.stderr


def test_an_export_that_fails_leaves_the_older_file(run, tmp_path):
    file = tmp_path / "data.jsonl"
    file.write_text("an older export")
    done = run("export", "-o", file, "--url", "http://127.0.0.1:1")
    assert done.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]
    assert file.read_text() == "an older export"


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "--output", "/no/such/folder/x"],
        ["import"],
        ["import", "/no/such/file"],
        ["retention", "set"],
        ["retention", "set", "0"],
        ["retention", "set", "soon"],
        ["delete", "user"],
    ],
)
def test_called_wrongly(run, arguments):
    assert run(*arguments).exit_code == 2


def test_images_may_be_left_out(run, user_id, tmp_path, elsewhere):
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    run("publish", "-u", user_id, "--image", path)
    [with_image] = objects(run("export", "-u", user_id).stdout)
    bare = run("export", "-u", user_id, "--no-images").stdout
    [without] = objects(bare)
    assert with_image["interactions"][0]["image_encoding"]
    assert with_image["interactions"][0]["image_omitted"] is False
    assert (without["interactions"][0]["image_encoding"], without["interactions"][0]["image_omitted"]) == ("", True)
    assert run("import", "-", *elsewhere, stdin=bare).exit_code == 0
    [found] = objects(run("interactions", user_id, "--json", *elsewhere).stdout)
    assert found["has_image"] is False


@pytest.mark.usefixtures("stored")
def test_a_user_is_erased_only_after_a_yes(run, user_id):
    refused = run("delete", "user", user_id, stdin="n\n")
    assert refused.exit_code == 1
    assert user_id in refused.stderr
    assert len(objects(run("interactions", user_id, "--json").stdout)) == 3
    [answer] = objects(run("delete", "user", user_id, "--yes", "--json").stdout)
    assert (answer["deleted_requests_count"], answer["deleted_interactions_count"]) == (3, 3)
    assert "nothing was deleted" in run("delete", "user", user_id, "-y").stdout


def test_retention(run, elsewhere):
    def shown():
        return json.loads(run("retention", "show", "--json", *elsewhere).stdout)["max_age_seconds"]

    assert "for ever" in run("retention", "show", *elsewhere).stdout
    assert run("retention", "set", "30", *elsewhere, stdin="n\n").exit_code == 1
    assert shown() is None
    assert run("retention", "set", "30000.5", "--yes", *elsewhere).stdout == (
        "requests are deleted 30000.5 days after they were stored\n"
    )
    assert shown() == 30_000.5 * 86_400
    assert run("retention", "off", *elsewhere).exit_code == 0
    assert shown() is None


def test_a_folder_is_no_output(run, user_id, tmp_path):
    refused = run("export", "--user", user_id, "--output", tmp_path)
    assert refused.exit_code == 2
    assert f"cannot write {tmp_path}: it is a folder" in refused.stderr
    assert list(tmp_path.parent.glob(f".{tmp_path.name}.*")) == []


def test_an_export_that_cannot_be_written_leaves_nothing(run, user_id, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused = run("export", "--user", user_id, "--output", tmp_path / "all.jsonl")
    assert refused.exit_code == 1
    assert "all.jsonl: No space left on device" in refused.stderr
    assert list(tmp_path.iterdir()) == []
