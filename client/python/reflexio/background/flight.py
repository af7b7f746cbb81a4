"""Calls under way."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reflexio import errors
from reflexio._calls.call import Call
from reflexio._transport.channels import Channels
from reflexio._transport.exchange import Connection, Exchange
from reflexio.background.lanes import Lane
from reflexio.background.spool import Entry


@dataclass(slots=True, eq=False)
class Attempt:
    """One call: of a publish, or, without lane and entry, the question whether the server is there."""

    call: Call[Any]
    lane: Lane | None = None
    entry: Entry | None = None
    generation: int = 0
    """Of the spool's file in which the entry's place means something."""
    error: errors.ReflexioError | None = field(default=None, init=False)
    """How it ended, once it has ended; None where the server did what it was asked."""


class Flight:
    """Begins calls, and tells when they end."""

    def __init__(self, connection: Connection, when_ended: Callable[[Attempt], None]) -> None:
        self._connection = connection
        self._channels = Channels(connection.endpoint, connection.timeout)
        self._when_ended = when_ended
        self._under_way: dict[Attempt, Any] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, attempt: Attempt) -> None:
        """Send a call; `when_ended` is called in a thread of gRPC's, also for what cannot even be sent."""
        call = attempt.call
        exchange = Exchange(call, self._connection)
        try:
            method = self._channels.method(call)
            sent = method.future(call.request, timeout=exchange.remaining(), metadata=exchange.metadata)
        except Exception as error:  # noqa: BLE001  # It has to come back to its lane, whatever grpc makes of it.
            attempt.error = errors.UnavailableError(f"the call could not be begun: {error}")
            self._when_ended(attempt)
            return
        self._under_way[attempt] = sent
        sent.add_done_callback(lambda _: self._ended(attempt, exchange, sent))

    def cancel(self, seconds: float = 0.0) -> None:
        """End all calls: each is told to have been cancelled. Wait for that, but no longer than so many seconds."""
        for sent in list(self._under_way.values()):
            sent.cancel()
        give_up = time.monotonic() + seconds
        while self._under_way and time.monotonic() < give_up:
            time.sleep(0.001)

    def close(self) -> None:
        """Close the connection."""
        self._channels.close()

    def _ended(self, attempt: Attempt, exchange: Exchange, sent: Any) -> None:
        try:
            if sent.code().name != "OK":
                attempt.error = exchange.failure(sent)
        except Exception as error:  # noqa: BLE001  # As above.
            attempt.error = errors.InternalError(f"the answer could not be read: {error}")
        self._under_way.pop(attempt, None)
        self._when_ended(attempt)
