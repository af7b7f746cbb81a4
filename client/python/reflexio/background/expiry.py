"""Which publishes may not be sent any more."""

from reflexio.background.errors import PublishExpiredError
from reflexio.background.spool import Entry

_NANOS = 1_000_000_000
_KEY_SECONDS = 7 * 24 * 3600 - 3600
"""How long the server knows an idempotency key, less an hour for clocks that disagree."""


def expired(entry: Entry, now: int, max_age: float | None) -> PublishExpiredError | None:
    """Why an entry has waited for too long, or None where it has not.

    One that was never sent has a key that no server has seen: without `max_age` it may be of any age. One that was
    sent, and to which no answer came, may have been stored; once its key is forgotten, sending it might store it twice.

    Args:
        entry: What waits.
        now: Nanoseconds since the epoch.
        max_age: Seconds after the hand-over; None for no limit.
    """
    if max_age is not None and now - entry.handed_over_at > max_age * _NANOS:
        return PublishExpiredError(f"it has waited for more than {max_age:g} seconds (max_age)")
    if entry.attempted_at is not None and now - entry.attempted_at > _KEY_SECONDS * _NANOS:
        return PublishExpiredError(
            "it was first sent seven days ago and never answered: sending it again might store it twice"
        )
    return None
