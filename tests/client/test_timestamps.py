"""Times keep the precision that they were given with."""

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflexio import InvalidArgumentError
from reflexio._calls.timestamps import last_moment, timestamp


@given(st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-9, minutes=30)))))
def test_a_datetime_arrives_to_the_microsecond(moment):
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    assert timestamp("t", moment).ToDatetime(tzinfo=UTC) == expected


def test_a_naive_datetime_is_local_time(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert timestamp("t", datetime(2024, 1, 1)).ToDatetime() == datetime(2023, 12, 31, 18, 15)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds", "nanos"),
    [(0, 0, 0), (-1, -1, 0), (1.5, 1, 500_000_000), (-0.25, -1, 750_000_000), (1_700_000_000, 1_700_000_000, 0)],
)
def test_numbers_are_seconds_since_the_epoch(value, seconds, nanos):
    stamp = timestamp("t", value)

    assert (stamp.seconds, stamp.nanos) == (seconds, nanos)


@given(st.floats(-6e10, 2.5e11))
def test_a_float_loses_less_than_a_nanosecond(value):
    stamp = timestamp("t", value)

    assert abs((stamp.seconds - int(value // 1)) + stamp.nanos / 1e9 - value % 1) <= 2e-9


def test_a_whole_number_ends_with_its_second_and_anything_finer_with_itself():
    moment = datetime(2024, 1, 1, tzinfo=UTC)

    assert last_moment("t", 5).nanos == 999_999_999
    assert last_moment("t", 5.0).nanos == 0
    assert last_moment("t", moment) == timestamp("t", moment)
    assert timestamp("t", 5).nanos == 0


@pytest.mark.parametrize(
    "value",
    [True, "2024-01-01", date(2024, 1, 1), None, float("nan"), float("inf"), 10**30, -(10**12), 1e300, b"1", [1]],
)
def test_what_is_no_time_is_refused_by_name(value):
    with pytest.raises(InvalidArgumentError) as caught:
        timestamp("start_time", value)
    assert caught.value.field_violations[0].field == "start_time"


def test_milliseconds_are_recognised():
    with pytest.raises(InvalidArgumentError, match="milliseconds"):
        timestamp("t", 1_700_000_000_000)
