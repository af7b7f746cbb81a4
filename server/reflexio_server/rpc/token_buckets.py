"""How much of something each of many may take in a second: a token bucket for each."""

import time
from collections.abc import Callable, Hashable

_SWEPT_EVERY = 1024
"""After how many keys that are new those are forgotten whose buckets are full again."""

_NO_TIME = 1e-6
"""Seconds that are an error of rounding."""


class TokenBuckets:
    """Buckets that hold what `burst_seconds` bring, kept in this process.

    Of each only the moment is kept at which it is full again (the generic cell rate algorithm). From a full bucket any
    number may be taken: whoever asks for more at once than it holds would otherwise wait for ever.
    """

    def __init__(self, rate: float, burst_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets, which `rate` tokens a second flow into."""
        self.rate = rate
        self._burst = burst_seconds
        self._clock = clock
        self._full_at: dict[Hashable, float] = {}
        self._new = 0

    def take(self, key: Hashable, count: int) -> float:
        """Take so many. Returns 0, or the seconds after which they are there; then nothing was taken."""
        return self._take(key, count, ahead=False)

    def take_ahead(self, key: Hashable, count: int) -> float:
        """Take so many, if need be of what is still to come. Returns the seconds after which they are there."""
        return self._take(key, count, ahead=True)

    def _take(self, key: Hashable, count: int, *, ahead: bool) -> float:
        now = self._clock()
        until_full = max(self._full_at.get(key, now) - now, 0.0)
        cost = count / self.rate
        wait = max(min(until_full, until_full + cost - self._burst), 0.0)
        if wait < _NO_TIME:
            wait = 0.0
        elif not ahead:
            return wait
        if key not in self._full_at:
            self._sweep(now)
        self._full_at[key] = now + until_full + cost
        return wait

    def __len__(self) -> int:
        return len(self._full_at)

    def _sweep(self, now: float) -> None:
        self._new += 1
        if self._new >= _SWEPT_EVERY:
            self._new = 0
            self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
