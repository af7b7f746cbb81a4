"""A language without its tools is left out with a reason; one that does not build is a failure."""

import os

import pytest

from tests.conformance.languages import CannotInstall, DoesNotBuild, Language
from tests.conformance.report import Column, table
from tests.conformance.running import Report

_NOT_THERE = "no-compiler-has-this-name"


def _language(**fields):
    return Language(name="x", title="X", runner=["x"], debian=["x-compiler"], **fields)


def test_missing_tools_are_named_with_the_packages_that_have_them(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotInstall, match=rf"{_NOT_THERE} missing; .* apt-get install x-compiler"):
        _language(tools=["sh", _NOT_THERE]).prepare()


def test_what_cannot_be_fetched_is_no_failure_of_ours():
    with pytest.raises(CannotInstall, match="no network"):
        _language(install=[["sh", "-c", "echo no network >&2; exit 1"]]).prepare()


def test_what_does_not_build_is_one():
    with pytest.raises(DoesNotBuild, match="a type is wrong"):
        _language(tools=["sh"], build=[["sh", "-c", "echo a type is wrong; exit 1"]]).prepare()
    column = Column("X", Report(complaint="a type is wrong"))
    assert column.problems == ["X: a type is wrong"]
    assert "| `who_am_i` | **FAILED** |" in table([column])


def test_a_language_that_was_left_out_has_no_column_but_a_line():
    written = table([Column("X", skipped="no network")])
    assert "Not run: X." in written
    assert "| X |" not in written
