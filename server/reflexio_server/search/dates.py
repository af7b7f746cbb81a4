"""The days that a question in English names: "yesterday", "since May", "on 3 June 2023", "2023-06-03". Pure.

Days are those of UTC, as times are everywhere in the service.
"""

import calendar
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_SECOND = 1_000_000_000
_DAY = 24 * 3600 * _SECOND

_MONTHS = {name.lower(): n for names in (calendar.month_name, calendar.month_abbr) for n, name in enumerate(names) if n}
_WEEKDAYS = {name.lower(): n for n, name in enumerate(calendar.day_name)}
_NUMBERS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}

_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_NAMED = re.compile(
    rf"\b(?:(?P<before>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+)?(?P<month>{_MONTH})\b\.?"
    rf"(?:\s+(?P<after>\d{{1,2}})(?:st|nd|rd|th)?\b)?(?:,?\s*(?P<year>\d{{4}})\b)?"
)
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_YEAR = re.compile(r"\b(?:in|of|during|since|after|before|until|till)\s+(\d{4})\b(?!-\d)")
_AGO = re.compile(rf"\b(\d{{1,3}}|{'|'.join(_NUMBERS)})\s+(day|week|month|year)s?\s+ago\b")
_RELATIVE = re.compile(
    rf"\b(?:(today|yesterday)|(this|last|past|previous)\s+(weekend|week|month|year|{'|'.join(_WEEKDAYS)})"
    rf"|on\s+({'|'.join(_WEEKDAYS)}))\b"
)
_BEFORE_MAY = re.compile(r"\b(?:in|of|since|last|this|during|until|by|before|after|early|late|mid)[\s-]+$")
"""What makes "may" a month where no number stands beside it."""

_BOUND = re.compile(r"\b(since|after|before|until|till)\s+(?:the\s+)?$")
"""What makes of some days all those from them on, or up to them."""

_REACH = 24
"""So many characters before a date are looked at: with all of them, a text of many would take very long."""

_EARLIEST = date(1900, 1, 1)
"""Nothing can have happened before, by the contract."""

_YEARS_BACK = 10
"""A date without a year may be of any of the last years."""

_NEAR = 7 * _DAY
"""People tell of a day some days later, and remember a date not quite."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some days."""

    start: int
    """Nanoseconds since the epoch, inclusive."""
    end: int
    """Nanoseconds since the epoch, exclusive."""

    def agreement(self, moments: NDArray[np.int64]) -> NDArray[np.float32]:
        """How well moments agree: 1 within the span, 0.5 in the week before or after a single day, else 0."""
        within = (self.start <= moments) & (moments < self.end)
        if self.end - self.start > _DAY:
            return within.astype(np.float32)
        near = (self.start - _NEAR <= moments) & (moments < self.end + _NEAR)
        return np.where(within, np.float32(1), np.float32(0.5) * near)


def spans_in(text: str, now: int) -> Iterator[Span]:
    """The days that `text` names.

    Args:
        text: A question.
        now: Nanoseconds since the epoch: what "yesterday" refers to.
    """
    text = text.lower()
    today = datetime.fromtimestamp(now // _SECOND, UTC).date()
    for start, named in _named(text, today):
        spans = list(named)
        bound = _BOUND.search(_said_before(text, start))
        if bound and spans:
            yield from _bounded(bound[1], spans, today)
        else:
            yield from spans


def without_numbers(text: str) -> str:
    """`text` without the numbers of the days that it names.

    Searched for as words, they would find whatever has the same number, and be taken for the name of something.
    """
    numbers: list[tuple[int, int]] = []
    for pattern in (_ISO, _DOTTED):
        numbers += [match.span() for match in pattern.finditer(text)]
    lowered = text.lower()
    # A few letters are two in lower case; then months are found only where they are written so.
    for match in _NAMED.finditer(lowered if len(lowered) == len(text) else text):
        groups = (match.span(group) for group in ("before", "after", "year"))
        numbers += [span for span in groups if span != (-1, -1)]
    for start, end in sorted(numbers, reverse=True):
        text = f"{text[:start]} {text[end:]}"
    return text


def _named(text: str, today: date) -> Iterator[tuple[int, Iterable[Span]]]:
    """Where days are named, and which: several where the year is not said."""
    for match in _ISO.finditer(text):
        yield match.start(), _calendar(*map(int, match.groups()))
    for match in _DOTTED.finditer(text):
        day, month, year = map(int, match.groups())
        yield match.start(), _calendar(year, month, day)
    for match in _NAMED.finditer(text):
        said_day = match["before"] or match["after"]
        is_month = said_day or match["year"] or _BEFORE_MAY.search(_said_before(text, match.start()))
        if match["month"] == "may" and not is_month:
            continue
        years = [int(match["year"])] if match["year"] else range(today.year - _YEARS_BACK, today.year + 1)
        days = (_calendar(year, _MONTHS[match["month"]], int(said_day) if said_day else None) for year in years)
        yield match.start(), chain.from_iterable(days)
    for match in _YEAR.finditer(text):
        yield match.start(1), _calendar(int(match[1]))
    for match in _AGO.finditer(text):
        count = int(match[1]) if match[1].isdigit() else _NUMBERS[match[1]]
        yield match.start(), _ago(count, match[2], today)
    for match in _RELATIVE.finditer(text):
        what = match[1] or match[3] or match[4]
        yield match.start(), _relative(what, match[2] == "this" or bool(match[4]), today)


def _said_before(text: str, start: int) -> str:
    return text[max(0, start - _REACH) : start]


def _bounded(bound: str, spans: Sequence[Span], today: date) -> Iterator[Span]:
    """The days since, after or before those that were named: where the year is not said, the last time they came."""
    tomorrow = _span(today, today + timedelta(days=1)).end
    named = max((span for span in spans if span.start < tomorrow), key=lambda span: span.start, default=spans[0])
    earliest = _span(_EARLIEST, today).start
    start, end = {
        "since": (named.start, tomorrow),
        "after": (named.end, tomorrow),
        "before": (earliest, named.start),
    }.get(bound, (earliest, named.end))
    if start < end:
        yield Span(start, end)


def _calendar(year: int, month: int | None = None, day: int | None = None) -> Iterator[Span]:
    """The span of a year, a month or a day; none where there is no such thing."""
    try:
        if month is None:
            yield _span(date(year, 1, 1), date(year + 1, 1, 1))
        elif day is None:
            yield _span(date(year, month, 1), date(year + month // 12, month % 12 + 1, 1))
        else:
            yield _span(date(year, month, day), date(year, month, day) + timedelta(days=1))
    except (ValueError, OverflowError):
        return


def _ago(count: int, unit: str, today: date) -> Iterator[Span]:
    match unit:
        case "day":
            start = today - timedelta(days=count)
            yield _span(start, start + timedelta(days=1))
        case "week":
            start = _monday(today) - timedelta(weeks=count)
            yield _span(start, start + timedelta(weeks=1))
        case "month":
            months = today.year * 12 + today.month - 1 - count
            yield from _calendar(months // 12, months % 12 + 1)
        case _:
            yield from _calendar(today.year - count)


def _relative(what: str, present: bool, today: date) -> Iterator[Span]:
    """The span of what is "this" or "last" seen from today."""
    if what in {"today", "yesterday"}:
        yield from _ago(0 if what == "today" else 1, "day", today)
    elif what == "weekend":
        saturday = _monday(today) + timedelta(days=5)
        # On a Sunday "last weekend" is a week ago, and so it is on a Monday.
        start = saturday if present else saturday - timedelta(weeks=1)
        yield _span(start, start + timedelta(days=2))
    elif what in _WEEKDAYS:
        days = (today.weekday() - _WEEKDAYS[what]) % 7
        yield from _ago(days if present else days or 7, "day", today)
    else:
        yield from _ago(0 if present else 1, what, today)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _span(start: date, end: date) -> Span:
    first, last = (int(datetime.combine(day, time(), UTC).timestamp()) * _SECOND for day in (start, end))
    return Span(first, last)
