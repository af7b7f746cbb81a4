"""How long one call is pursued.

gRPC itself makes up to five attempts while they end in UNAVAILABLE, within about two seconds (`service_config.json`; it
allows no more). That hides a lost connection, not a restart of the server, which may take ten. So the client goes on,
but only where it knows that a Reflexio server is there: it has had an answer from this endpoint before, or this very
error is one. Otherwise a mistyped endpoint would take that long to be told from a good one.

Where the deadline ends gRPC's attempts, it tells of none of them: what the server said, and when to come back, would be
lost. So the last of ours, which has less time than gRPC's take, is not what the call fails with if the one before has
said more; and a call that has less from the start is sent on a channel on which gRPC repeats nothing (`Channels`).

Streams of requests gRPC does not repeat at all: it may leave messages out. There all attempts are the client's.

CANCELLED is repeated too, by the client alone, unless it was the caller who cancelled: a server that stops may cancel a
call that it has not looked at. Repeating is safe for every call that may be repeated (`Call.repeatable`): a publish has
an idempotency key, deletes and reads may be repeated by contract. A delete whose first answer was lost counts what the
repetition found.
"""

import random
import time
from collections.abc import Callable

from reflexio._channel import GRPC_REPEATS_SECONDS
from reflexio.errors import DeadlineExceededError, ReflexioError, ServerUnreachableError

RESTART_SECONDS = 15.0
"""How long a server that was there before may be away."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0


class Attempts:
    """The time that one call has, and whether it is worth another attempt."""

    def __init__(self, timeout: float, *, alone: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """`alone` says that gRPC makes no attempts of its own, as of any call with a short timeout."""
        self._clock = clock
        self._deadline = clock() + timeout
        self._alone = alone or timeout < GRPC_REPEATS_SECONDS
        self._give_up: float | None = None
        self._pause = _FIRST_PAUSE
        self._told: ReflexioError | None = None

    def remaining(self) -> float:
        """Seconds that the next attempt may take; 0 or less means that the time is over."""
        return self._deadline - self._clock()

    def pause_after(self, error: ReflexioError, *, answered_before: bool) -> float | None:
        """Seconds to wait before the next attempt, or None when `error` is to be raised.

        Args:
            error: How the attempt ended.
            answered_before: Whether a server has ever answered this client.
        """
        # A server that stops may cancel a call that it has not looked at; the caller's own cancelling ends elsewhere.
        if error.status not in {"UNAVAILABLE", "CANCELLED"}:
            return None
        is_stranger = isinstance(error, ServerUnreachableError) and not answered_before
        if is_stranger and not self._alone:
            return None
        now = self._clock()
        if self._give_up is None:
            self._give_up = min(self._deadline, now + (GRPC_REPEATS_SECONDS if is_stranger else RESTART_SECONDS))
        pause = max(self._pause * random.uniform(0.8, 1.2), error.retry_after or 0.0)  # noqa: S311  # Not a secret.
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        if now + pause >= self._give_up:
            return None
        self._told = error if self._deadline - now - pause < GRPC_REPEATS_SECONDS else None
        return pause

    def outcome(self, error: ReflexioError) -> ReflexioError:
        """What the call fails with after its last attempt ended with `error`."""
        return self._told if self._told is not None and isinstance(error, DeadlineExceededError) else error
