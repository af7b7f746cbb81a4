"""How long to wait after a failure: longer each time, as long as a server says, never in step with others."""

import random

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 15.0
FIRST_SECONDS_REFUSED = 5.0
LONGEST_SECONDS_REFUSED = 60.0
"""Where the API key is not good: nothing changes by itself."""


class Pause:
    """What grows from one failure to the next, and starts again after a success."""

    def __init__(self) -> None:
        self.failures = 0
        self.until = 0.0
        """On the monotonic clock."""

    def after_failure(self, now: float, *, retry_after: float | None, slow: bool = False) -> None:
        """Wait, from now on.

        Args:
            now: The monotonic clock.
            retry_after: Seconds that the server asked for.
            slow: Whether somebody has to repair something first.
        """
        first, longest = (FIRST_SECONDS_REFUSED, LONGEST_SECONDS_REFUSED) if slow else (FIRST_SECONDS, LONGEST_SECONDS)
        grown: float = min(first * 2 ** min(self.failures, 20), longest)
        self.failures += 1
        self.until = now + max(grown * random.uniform(0.8, 1.2), retry_after or 0.0)  # noqa: S311  # Not a secret.

    def over(self, now: float) -> bool:
        """Whether it is time to try again."""
        return now >= self.until

    def hurry(self) -> None:
        """Try again at once."""
        self.until = 0.0

    def end(self) -> None:
        """It worked."""
        self.failures = 0
        self.until = 0.0
