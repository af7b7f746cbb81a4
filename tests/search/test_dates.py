"""Dates in questions: which days they name, seen from the day of the question."""

import string
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reflexio_server.search.dates import Span, spans_in, without_numbers

DAY = 24 * 3600 * 10**9
WEDNESDAY = date(2024, 6, 12)


def at(day: date, hour: int = 15) -> int:
    """A moment of a day, in nanoseconds."""
    return int(datetime(day.year, day.month, day.day, hour, 30, tzinfo=UTC).timestamp()) * 10**9


def days(text: str, today: date = WEDNESDAY) -> list[tuple[str, str]]:
    """The first and the last day of each span."""
    found = []
    for span in spans_in(text, at(today)):
        first, end = (datetime.fromtimestamp(moment / 10**9, UTC) for moment in (span.start, span.end))
        assert (first.time(), end.time()) == (datetime.min.time(), datetime.min.time())
        found.append((first.date().isoformat(), (end.date() - timedelta(days=1)).isoformat()))
    return found


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("what did I eat today?", "2024-06-12", "2024-06-12"),
        ("Where was I YESTERDAY", "2024-06-11", "2024-06-11"),
        ("what happened this week", "2024-06-10", "2024-06-16"),
        ("what happened last week", "2024-06-03", "2024-06-09"),
        ("in the past week", "2024-06-03", "2024-06-09"),
        ("the previous week", "2024-06-03", "2024-06-09"),
        ("this month", "2024-06-01", "2024-06-30"),
        ("last month", "2024-05-01", "2024-05-31"),
        ("this year", "2024-01-01", "2024-12-31"),
        ("last year", "2023-01-01", "2023-12-31"),
        ("this weekend", "2024-06-15", "2024-06-16"),
        ("last Monday", "2024-06-10", "2024-06-10"),
        ("last wednesday", "2024-06-05", "2024-06-05"),
        ("this Wednesday", "2024-06-12", "2024-06-12"),
        ("last Thursday", "2024-06-06", "2024-06-06"),
        ("3 days ago", "2024-06-09", "2024-06-09"),
        ("a day ago", "2024-06-11", "2024-06-11"),
        ("two weeks ago", "2024-05-27", "2024-06-02"),
        ("a month ago", "2024-05-01", "2024-05-31"),
        ("nine months  ago", "2023-09-01", "2023-09-30"),
        ("6 months ago", "2023-12-01", "2023-12-31"),
        ("a year ago", "2023-01-01", "2023-12-31"),
        ("10 years ago", "2014-01-01", "2014-12-31"),
        ("in 2023", "2023-01-01", "2023-12-31"),
        ("the summer of 2022", "2022-01-01", "2022-12-31"),
        ("since 2021", "2021-01-01", "2024-06-12"),
        ("since May", "2024-05-01", "2024-06-12"),
        ("since july", "2023-07-01", "2024-06-12"),
        ("since last week", "2024-06-03", "2024-06-12"),
        ("since the 3rd of June", "2024-06-03", "2024-06-12"),
        ("after 3 June 2023", "2023-06-04", "2024-06-12"),
        ("before 2023-06-03", "1900-01-01", "2023-06-02"),
        ("before July", "1900-01-01", "2023-06-30"),
        ("until July", "1900-01-01", "2023-07-31"),
        ("before 2023", "1900-01-01", "2022-12-31"),
        ("on Tuesday", "2024-06-11", "2024-06-11"),
        ("on wednesday", "2024-06-12", "2024-06-12"),
        ("on Thursday", "2024-06-06", "2024-06-06"),
        ("am 3.6.2023", "2023-06-03", "2023-06-03"),
        ("15.11.2023", "2023-11-15", "2023-11-15"),
        ("in May 2023", "2023-05-01", "2023-05-31"),
        ("in may, 2023", "2023-05-01", "2023-05-31"),
        ("in Feb. 2024", "2024-02-01", "2024-02-29"),
        ("in December 2023", "2023-12-01", "2023-12-31"),
        ("on 3 June 2023", "2023-06-03", "2023-06-03"),
        ("on the 3rd of June 2023", "2023-06-03", "2023-06-03"),
        ("on May 3rd, 2023", "2023-05-03", "2023-05-03"),
        ("on January 22, 2023", "2023-01-22", "2023-01-22"),
        ("on Sep 1 2023", "2023-09-01", "2023-09-01"),
        ("on 29 February 2024", "2024-02-29", "2024-02-29"),
        ("on 2023-06-03, I think", "2023-06-03", "2023-06-03"),
        ("on 2023-6-3", "2023-06-03", "2023-06-03"),
        ("on 31 December 2023", "2023-12-31", "2023-12-31"),
    ],
)
def test_one_span(text: str, first: str, last: str):
    assert days(text) == [(first, last)]


@pytest.mark.parametrize("today", [date(2024, 6, 10) + timedelta(days=n) for n in range(7)], ids=lambda d: f"{d:%A}")
def test_last_weekend_is_the_one_that_was_over_on_the_last_sunday(today: date):
    assert days("what did we do last weekend?", today) == [("2024-06-08", "2024-06-09")]
    assert days("this weekend", today) == [("2024-06-15", "2024-06-16")]


@pytest.mark.parametrize("today", [date(2024, 6, 10) + timedelta(days=n) for n in range(7)], ids=lambda d: f"{d:%A}")
def test_last_monday_is_never_today(today: date):
    [(first, last)] = days("last Monday", today)
    expected = "2024-06-10" if today > date(2024, 6, 10) else "2024-06-03"
    assert (first, last) == (expected, expected)


@pytest.mark.parametrize("text", ["in May", "on May 3rd", "on 3 June", "on the 3rd of June", "in june", "in Jun"])
def test_a_date_without_a_year_may_be_of_any_of_the_last_years(text: str):
    found = days(text)
    years = [int(first[:4]) for first, _ in found]
    assert years == list(range(2014, 2025))
    assert len({(first[4:], last[4:]) for first, last in found}) == 1


@pytest.mark.parametrize(
    ("text", "is_month"),
    [
        ("what did she tell me in May?", True),
        ("last May", True),
        ("in early may", True),
        ("mid-May", True),
        ("3 may", True),
        ("may 3", True),
        ("May 2023", True),
        ("may I come in?", False),
        ("it may rain", False),
        ("May was her name", False),
        ("what may have happened", False),
        ("maybe", False),
        ("dismay", False),
    ],
)
def test_may_is_not_always_a_month(text: str, is_month: bool):
    assert bool(days(text)) is is_month


@pytest.mark.parametrize(
    "text",
    [
        "",
        "what is my favourite colour?",
        "on 31 February 2023",
        "31 June",
        "29 Feb 2023",
        "on 2023-13-01",
        "on 2023-02-30",
        "0000-01-01",
        "in 0000",
        "in 9999",
        "9999-12-31",
        "in December 9999",
        "order 2023",
        "the last straw",
        "0 June 2023",
        "the day before",
        "1234-56789-10",
        "31.6.2023",
        "1.2.3",
        "192.168.2023.1",
        "after today",
    ],
)
def test_what_is_no_date_names_no_days(text: str):
    assert days(text) == []


def test_several_dates_are_all_named():
    assert days("yesterday or last week or on 2023-06-03") == [
        ("2023-06-03", "2023-06-03"),
        ("2024-06-11", "2024-06-11"),
        ("2024-06-03", "2024-06-09"),
    ]


def test_29_february_is_of_leap_years_only():
    assert days("on 29 February") == [(f"{year}-02-29",) * 2 for year in (2016, 2020, 2024)]


def test_days_begin_at_midnight_in_utc():
    for hour in (0, 23):
        [span] = spans_in("today", at(WEDNESDAY, hour))
        assert span == Span(at(WEDNESDAY, 0) - 30 * 60 * 10**9, at(WEDNESDAY, 0) - 30 * 60 * 10**9 + DAY)


def test_agreement_with_a_day_fades_over_a_week():
    day = Span(100 * DAY, 101 * DAY)
    moments = [100 * DAY, 101 * DAY - 1, 100 * DAY - 1, 101 * DAY, 93 * DAY, 93 * DAY - 1, 108 * DAY - 1, 108 * DAY]
    found = day.agreement(np.array(moments))
    assert found.dtype == np.float32
    assert found.tolist() == [1, 1, 0.5, 0.5, 0.5, 0, 0.5, 0]


def test_agreement_with_several_days_is_exact():
    week = Span(100 * DAY, 107 * DAY)
    assert week.agreement(np.array([100 * DAY - 1, 100 * DAY, 107 * DAY - 1, 107 * DAY])).tolist() == [0, 1, 1, 0]


PIECES = ["last", "this", "may", "in", "of", "on", "ago", "week", "days", "a", "99", "31", "0", "february", "december"]
PIECES += [
    "9999",
    "0001",
    "2023-",
    "-12",
    "-31",
    "3rd",
    "years",
    "months",
    "monday",
    "weekend",
    " ",
    ",",
    ".",
    "٣",
    "²",
]


@settings(max_examples=120)
@given(
    st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join),
    st.dates(date(1970, 1, 1), date(2261, 1, 1)),
)
def test_no_text_is_too_strange(text: str, today: date):
    moments = np.array([-(2**63), 0, at(today), 2**63 - 1])
    for span in spans_in(text, at(today)):
        assert span.start < span.end
        assert set(span.agreement(moments).tolist()) <= {0, 0.5, 1}


PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What happened on 15 November 2026?", "what happened on november"),
        ("what did I buy on November 15, 2026", "what did i buy on november"),
        ("on the 3rd of June", "on the rd of june"),
        ("what is due on 2026-11-15", "what is due on"),
        ("am 15.11.2026", "am"),
        ("invoice INV-2026-0045 of 3 May", "invoice inv 2026 0045 of may"),
        ("in May", "in may"),
        ("order 48213 from 2023", "order 48213 from 2023"),
        ("in 2023", "in 2023"),
        ("version 3.11", "version 3 11"),
        ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}zmir on 3 june 2023", "i\u0307zmir on june"),
    ],
)
def test_numbers_of_days_are_left_out(text: str, words: str):
    assert without_numbers(text).lower().translate(PUNCTUATION).split() == words.split()
