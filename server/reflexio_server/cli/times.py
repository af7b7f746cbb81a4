"""Moments as people type them, and as they are shown: in the time zone of the terminal."""

import re
from datetime import UTC, date, datetime, timedelta

_AGO = re.compile(r"(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[smhdw])(?:\s+ago)?", re.ASCII)
_EPOCH = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

FORMS = "2026-03-01, 2026-03-01T09:30 (local time), 2026-03-01T09:30Z, seconds since 1970, or 45s, 30m, 12h, 7d, 2w ago"
"""The accepted forms, for help and errors."""


def parse_moment(text: str, *, now: datetime | None = None, end_of_day: bool = False) -> datetime:
    """The moment that `text` names, with a time zone.

    Args:
        text: One of `FORMS`. A time without a zone is local time.
        now: What "ago" counts from.
        end_of_day: Whether a bare date means the last second of that day instead of its first, as people mean it when
            they say "until".

    Raises:
        ValueError: `text` is none of `FORMS`, or lies outside the years that a datetime can hold.
    """
    text = text.strip()
    try:
        if ago := _AGO.fullmatch(text):
            return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago["unit"]]: float(ago["count"])})
        if _EPOCH.fullmatch(text):
            return _from_epoch(text)
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=int(end_of_day))
            start = datetime(day.year, day.month, day.day).astimezone()
            return start - timedelta(seconds=int(end_of_day))
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        reason = str(error) if isinstance(error, _UnlikelyEpochError) else f"{text!r} is no time"
        raise ValueError(f"{reason}; give {FORMS}") from None


def last_moment(moment: datetime | None) -> datetime | int | None:
    """The end, inclusive, of a range of time for the client: a whole second as an int, which means all of it."""
    return moment if moment is None or moment.microsecond else int(moment.timestamp())


def show_moment(seconds: float) -> str:
    """A time in seconds since the epoch as local date and time, to the second."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def show_duration(seconds: float) -> str:
    """A length of time in its largest whole unit, for people who want to know how bad it is: `4 min`, `3 h`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


class _UnlikelyEpochError(ValueError):
    pass


def _from_epoch(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise _UnlikelyEpochError(f"{text} seconds since 1970 is outside all years; are these milliseconds?") from None
