"""The times that people type."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from reflexio_server.cli.times import last_moment, parse_moment, show_duration, show_moment

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    """One hour ahead of UTC in winter, two in summer."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("12h ago", timedelta(hours=12)),
        ("1.5d", timedelta(hours=36)),
        ("2 w", timedelta(weeks=2)),
    ],
)
def test_a_span_counts_back_from_now(text, ago):
    assert parse_moment(text, now=NOW) == NOW - ago


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T09:30Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30+05:30", datetime(2026, 3, 1, 4, 0, tzinfo=UTC)),
        ("2026-03-01T09:30", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("2026-07-01 09:30:15.25", datetime(2026, 7, 1, 7, 30, 15, 250_000, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 2, 28, 23, 0, tzinfo=UTC)),
        ("1772357400", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("-1.5", datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)),
        ("20260301", datetime.fromtimestamp(20260301, UTC)),
    ],
)
def test_a_moment_is_read_as_documented(text, moment):
    assert parse_moment(text) == moment


def test_a_moment_always_knows_its_zone():
    assert all(parse_moment(text).tzinfo for text in ("2026-03-01", "2026-03-01T10:00", "5", "5m"))


def until(text):
    return last_moment(parse_moment(text, end_of_day=True))


def test_until_a_date_includes_the_whole_day_also_when_clocks_change():
    # On 29 March 2026 the day in Berlin has 23 hours. The client takes an int as all of that second.
    assert until("2026-03-29") == datetime(2026, 3, 29, 22, 0, tzinfo=UTC).timestamp() - 1
    assert until("2026-03-28") + 1 == parse_moment("2026-03-29").timestamp()


def test_until_a_time_includes_its_second_and_a_fraction_is_exact():
    assert until("2026-03-29T10:00Z") == datetime(2026, 3, 29, 10, 0, tzinfo=UTC).timestamp()
    assert isinstance(until("2026-03-29T10:00Z"), int)
    assert until("2026-03-29T10:00:00.5Z") == datetime(2026, 3, 29, 10, 0, 0, 500_000, tzinfo=UTC)
    assert last_moment(None) is None


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-13-01", "2026-02-30", "7 years", "12:30", "nan", "1e5", "٣d", "99999999999d"]
)
def test_anything_else_is_refused_with_the_forms_that_are_taken(text):
    with pytest.raises(ValueError, match=r"is no time; give 2026-03-01"):
        parse_moment(text)


def test_milliseconds_are_suspected():
    with pytest.raises(ValueError, match="are these milliseconds"):
        parse_moment("1772357400000")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "60 min"), (7200, "2 h"), (86400 * 3, "3 d")],
)
def test_lengths_of_time_are_shown_in_their_largest_unit(seconds, shown):
    assert show_duration(seconds) == shown


def test_times_are_shown_in_the_local_zone():
    assert show_moment(1772357400) == "2026-03-01 10:30:00"
    assert show_moment(10**18) == str(10**18)
