"""Moving conversations in time: the service compares "last week" with its own clock."""

import calendar
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

_PLACEHOLDER = re.compile(r"\{(\w+) (\S+)\}")

FORMS = {
    "date": lambda day: f"{day.day} {calendar.month_name[day.month]}",
    "english_date": lambda day: f"{calendar.month_name[day.month]} {day.day}",
    "iso": lambda day: day.date().isoformat(),
    "month": lambda day: calendar.month_name[day.month],
    "weekday": lambda day: calendar.day_name[day.weekday()],
}
"""How a question may name the day of a turn."""


def shift(asked_at: datetime | None, now: datetime) -> timedelta:
    """By how many whole days to move a conversation so that its questions are asked today."""
    if asked_at is None:
        return timedelta()
    return timedelta(days=(now.date() - asked_at.astimezone(now.tzinfo).date()).days)


def filled(text: str, times: Mapping[str, datetime]) -> str:
    """`text` with the days of turns for `{date ID}`, `{month ID}` and so on.

    Args:
        text: What is asked.
        times: When the turns happened, by id.

    Raises:
        KeyError: There is no such form, or no such turn.
    """
    return _PLACEHOLDER.sub(lambda match: FORMS[match[1]](times[match[2]]), text)
