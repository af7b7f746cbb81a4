"""Nothing that was published may drive the terminal, and nothing is cut but for a terminal."""

import json
import re

import pytest
from reflexio_server.cli.rendering import Column, one_line, print_json, print_line, print_table, to_json

HOSTILE = "\x1b[2J\x1b]0;title\x07 \x9b31m\x00\x08\x7f[bold red]not markup[/] \u202eright-to-left\u2066 :smile:"
COLUMNS = (Column("ID"), Column("TEXT", flexible=True))
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def pipe(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")


@pytest.mark.usefixtures("pipe")
def test_control_characters_reach_no_terminal(capsys):
    print_table(COLUMNS, [("1", HOSTILE)])
    print_line(HOSTILE)
    print_json({"content": HOSTILE})
    out = capsys.readouterr().out
    assert RAW.search(out) is None
    assert out.count(r"\x1b[2J") == 2
    assert json.loads(out.splitlines()[-1]) == {"content": HOSTILE}


@pytest.mark.usefixtures("pipe")
def test_markup_and_emoji_codes_in_content_are_text(capsys):
    print_table(COLUMNS, [("1", HOSTILE), ("2", "[link=http://evil]x[/link] [/]")])
    print_line("[red]x[/red] [/]")
    out = capsys.readouterr().out
    assert "[bold red]not markup[/]" in out
    assert ":smile:" in out
    assert "[link=http://evil]x[/link] [/]" in out
    assert "[red]x[/red] [/]" in out


@pytest.mark.usefixtures("narrow")
def test_a_table_fits_the_terminal_and_says_where_it_was_cut(capsys):
    print_table(
        (Column("ID"), Column("USER", widest=8), Column("TEXT", flexible=True)), [("12345", "u" * 50, "w " * 99)]
    )
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert "12345" in lines[1]
    assert "uuuuuuu…" in lines[1]
    assert lines[1].endswith("…")


@pytest.mark.usefixtures("narrow")
def test_wide_characters_count_twice(capsys):
    print_table(COLUMNS, [("1", "漢" * 99)])
    assert capsys.readouterr().out.splitlines()[1].count("漢") < 20


@pytest.mark.usefixtures("pipe")
def test_through_a_pipe_nothing_is_cut_and_no_line_ends_in_blanks(capsys):
    print_table(COLUMNS, [("1", "word " * 5000 + "end"), ("2", "short")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith(" end")
    assert lines[2] == "2   short"


def test_white_space_and_line_ends_run_together():
    assert one_line("  a\r\n\tb\u2028c  d\x0b ") == "a b c d"


def test_json_can_be_read_back_whatever_it_holds():
    value = {"k\x9b": ["\ud800", "\x7f", "é", "\u2028", 'quote" back\\slash', "\\u0041", 1.5, None]}
    assert json.loads(to_json(value)) == value
    assert "\n" not in to_json(value)


def test_json_is_pure_ascii_where_the_output_takes_no_more(monkeypatch):
    class Latin:
        encoding = "iso-8859-1"

    monkeypatch.setattr("sys.stdout", Latin())
    assert to_json("é漢") == '"\\u00e9\\u6f22"'
