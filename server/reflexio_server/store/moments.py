"""Moments that Postgres keeps, as this server counts them."""

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@overload
def nanoseconds(moment: datetime) -> int: ...
@overload
def nanoseconds(moment: None) -> None: ...
def nanoseconds(moment: datetime | None) -> int | None:
    """A `timestamptz` in nanoseconds since the epoch. Postgres knows it to the microsecond."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1) * 1000
