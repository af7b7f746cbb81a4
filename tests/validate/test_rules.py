"""Rules that the contract cannot state."""

import contextlib
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflexio_server.domain.errors import InvalidFields
from reflexio_server.validate import rules
from reflexio_server.validate.rules import EARLIEST, LATEST, SECOND

DAY = 24 * 3600 * SECOND


def broken(check, *arguments) -> str:
    """The rule that `check` says is broken, of the field that it was given."""
    with pytest.raises(InvalidFields) as refused:
        check("field", *arguments)
    [violation] = refused.value.violations
    assert violation.field == "field"
    assert violation.description
    return violation.rule


def nested(depth: int) -> dict:
    """An object in an object, `depth` of them in all, and a number in the innermost."""
    value: dict = {"number": 1}
    for _ in range(depth - 1):
        value = {"in": value}
    return value


@given(st.integers(EARLIEST, LATEST))
def test_every_moment_that_can_be_stored_is_one(nanoseconds: int):
    assert rules.moment("field", *divmod(nanoseconds, SECOND)) == nanoseconds


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (EARLIEST // SECOND - 1, 0),
        (LATEST // SECOND, 1),
        (2**63 - 1, 0),
        (-(2**63), 0),
        (0, -1),
        (0, SECOND),
    ],
)
def test_other_moments_are_refused(seconds: int, nanos: int):
    assert broken(rules.moment, seconds, nanos) == "timestamp.range"


@pytest.mark.parametrize(("seconds", "meant"), [(2**62, LATEST), (-(2**62), EARLIEST), (1, SECOND)])
def test_a_bound_beyond_what_can_be_stored_means_the_end_of_it(seconds: int, meant: int):
    assert rules.bound("field", seconds, 0) == meant


@pytest.mark.parametrize("nanos", [-1, SECOND, 2**31 - 1, -(2**31)])
def test_a_bound_is_a_time_all_the_same(nanos: int):
    assert broken(rules.bound, 0, nanos) == "timestamp.range"


def test_a_moment_may_lie_a_day_ahead_and_no_more():
    now = time.time_ns()
    assert rules.not_ahead("field", now + DAY - SECOND) == now + DAY - SECOND
    assert broken(rules.not_ahead, now + DAY + 60 * SECOND) == "timestamp.ahead"


@pytest.mark.parametrize("span", [(None, None), (1, None), (None, 1), (1, 1), (1, 2)])
def test_a_span_in_order_is_fine(span):
    rules.in_order("field", *span)


def test_a_span_that_ends_before_it_begins_is_refused():
    assert broken(rules.in_order, 2, 1) == "timestamp.order"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://a",
        "https://example.com/path?query=1#part",
        "HTTPS://EXAMPLE.COM",
        "http://user@host:8080/",
        "http://[::1]/x",
        "https://müller.example/straße",
    ],
)
def test_urls_of_the_web_are_taken_as_they_are(url: str):
    assert rules.http_url("field", url) == url


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "/path",
        "//host/path",
        "ftp://host/file",
        "javascript:alert(1)",
        "data:image/png;base64,AA==",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://?query",
        "https:host",
        "http://[::1",
        "http://a b/",
        " http://host",
        "http://host/\n",
        "http://host/\tx",
        "http://host/\x7f",
    ],
)
def test_other_texts_are_no_urls(url: str):
    assert broken(rules.http_url, url) == "url.http"


@given(st.text())
def test_no_text_is_too_strange_to_be_checked_for_a_url(text: str):
    with contextlib.suppress(InvalidFields):
        assert rules.http_url("field", text) == text


@pytest.mark.parametrize("value", [{}, {"a": [1, 2.5, None, True, "x", {"b": []}]}, {"": ""}, {"ключ": "値"}])
def test_a_json_object_is_measured_as_it_will_be_stored(value: dict):
    assert rules.json_object("field", value, 32) > 0


def test_an_object_may_be_nested_so_deep_and_no_deeper():
    rules.json_object("field", nested(32), 32)
    assert broken(rules.json_object, nested(33), 32) == "struct.depth"


def test_lists_count_as_deep_as_objects():
    value: list = []
    for _ in range(40):
        value = [value]
    assert broken(rules.json_object, {"a": value}, 32) == "struct.depth"


@pytest.mark.parametrize("value", [{"a": "\0"}, {"\0": 1}, {"a": ["x", "y\0z"]}, {"a": {"b\0": {}}}])
def test_a_nul_character_is_found_wherever_it_hides(value: dict):
    assert broken(rules.json_object, value, 32) == "string.not_contains"


def test_what_can_be_stored_spans_from_1900_to_2262():
    assert time.gmtime(EARLIEST // SECOND)[:6] == (1900, 1, 1, 0, 0, 0)
    assert time.gmtime(LATEST // SECOND)[:3] == (2262, 4, 11)
    assert math.log2(LATEST) < 63


@pytest.mark.parametrize("uri", ["spiffe://example.org/ns/a/sa/b", "https://a", "URN:uuid:1-2", "x+y-z.1://a?b#c%20"])
def test_what_certificates_have_as_uris(uri: str):
    assert rules.certificate_uri("field", uri) == uri
