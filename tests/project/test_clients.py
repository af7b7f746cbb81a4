"""What client/ says of other languages is what is there, and the README of each shows the program that is run."""

from pathlib import Path

import pytest
from google.rpc import status_pb2

from tests.conformance.__main__ import PRINTED
from tests.conformance.languages import LANGUAGES
from tests.conformance.running import NEWER, WRONG, cases

_CLIENTS = Path(__file__).parents[2] / "client"
_OTHERS = [language for language in LANGUAGES if language.name != "python"]


@pytest.mark.parametrize("language", _OTHERS, ids=lambda language: language.name)
def test_a_readme_shows_the_programs_that_are_run(language):
    readme = (_CLIENTS / language.name / "README.md").read_text()
    program = (_CLIENTS.parent / language.source).read_text()
    assert f"\n{program}```\n\n```text\n{PRINTED}```\n" in readme
    robust = (_CLIENTS.parent / language.robust_source).read_text()
    assert f"\n{robust}```\n" in readme
    for heading in ("Install", "Ten lines", "TLS and key", "Deadlines and retries", "Test"):
        assert f"\n## {heading}\n" in readme


def test_the_table_has_every_case_and_the_list_every_language():
    readme = (_CLIENTS / "README.md").read_text()
    for name in (case["name"] for case in (*cases(), *cases(NEWER))):
        assert f"\n| `{name}` | " in readme
    assert f"notice {len(cases(WRONG))} mistakes" in readme
    for language in _OTHERS:
        assert f"[{language.title}]({language.name}/README.md)" in readme
    folders = {path.name for path in _CLIENTS.iterdir() if path.is_dir()}
    assert {language.name for language in LANGUAGES} <= folders


@pytest.mark.parametrize("name", ["status.proto", "error_details.proto"])
def test_error_details_are_those_that_the_server_speaks(name):
    vendored = _CLIENTS.parent / "third_party" / "proto" / "google" / "rpc" / name
    assert vendored.read_bytes() == (Path(status_pb2.__file__).parent / name).read_bytes()
