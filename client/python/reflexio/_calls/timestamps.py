"""Times: what Python has on one side, `google.protobuf.Timestamp` on the other."""

import math
import operator
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from reflexio._calls.fields import wrong_type
from reflexio.errors import invalid_argument

Time = int | float | datetime

_NANOS = 1_000_000_000
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(name: str, value: Any) -> Timestamp:
    """A point in time, as precise as it was given.

    Args:
        name: The argument, for errors.
        value: Seconds since the epoch, or a datetime, which is local time when it is naive.
    """
    return _stamp(name, _nanoseconds(name, value))


def last_moment(name: str, value: Any) -> Timestamp:
    """The end of a range, inclusive. A whole number means all of that second, since that is how times are shown."""
    whole = not isinstance(value, (float, datetime))
    return _stamp(name, _nanoseconds(name, value) + (_NANOS - 1 if whole else 0))


def _nanoseconds(name: str, value: Any) -> int:
    if isinstance(value, datetime):
        return _of_datetime(name, value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise invalid_argument(name, f"must be a point in time, not {value}")
        # Exact: every float is a ratio of integers.
        numerator, denominator = value.as_integer_ratio()
        return numerator * _NANOS // denominator
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong_type(name, "a datetime or seconds since the epoch", value)
    return operator.index(value) * _NANOS


def _of_datetime(name: str, value: datetime) -> int:
    try:
        since = (value if value.tzinfo else value.astimezone()) - _EPOCH
    except (OverflowError, OSError, ValueError) as error:
        raise invalid_argument(name, f"{value} is beyond what local time can be told for") from error
    return since // timedelta(microseconds=1) * 1000


def _stamp(name: str, nanoseconds: int) -> Timestamp:
    seconds, nanos = divmod(nanoseconds, _NANOS)
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        hint = "; is it in milliseconds?" if abs(seconds) < _LAST_SECOND * 1000 else ""
        raise invalid_argument(name, f"must lie within the years 1 to 9999, in seconds since the epoch{hint}")
    return Timestamp(seconds=seconds, nanos=nanos)
