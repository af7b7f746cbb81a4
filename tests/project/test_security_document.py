"""The commands of docs/security.md find the tests that they promise."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r'`T (\S+)(?: -k "?([\w ]+?)"?)?`', (ROOT / "docs" / "security.md").read_text("utf-8"))


def test_there_are_commands():
    assert len(COMMANDS) > 20
    assert len(COMMANDS) == (ROOT / "docs" / "security.md").read_text("utf-8").count("`T tests/")


@pytest.mark.parametrize(("path", "words"), COMMANDS, ids=str)
def test_each_finds_what_it_looks_for(path: str, words: str):
    names = re.findall(r"def (test_\w+)\(", (ROOT / path).read_text("utf-8"))
    assert names
    for word in filter(None, words.split(" or ")):
        assert any(word in name for name in names), word
