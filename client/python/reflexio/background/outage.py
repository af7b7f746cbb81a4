"""What the log tells an application of publishes that cannot be sent: once when that begins, once when it ends."""

import logging
from collections.abc import Callable
from contextlib import suppress

from reflexio.background.errors import SpoolBusyError, SpoolError
from reflexio.background.verdict import is_fault
from reflexio.errors import ReflexioError

_MAY_PASS = {"CANCELLED", "ABORTED", "RESOURCE_EXHAUSTED"}
"""What the next attempt usually knows nothing of: a fork cancels calls, and a busy server puts callers off."""

_log = logging.getLogger("reflexio")


class Outage:
    """From the first failed attempt until nothing fails any more. For the thread that sends alone."""

    def __init__(self, count_waiting: Callable[[], int], api_key: str) -> None:
        self.error: ReflexioError | None = None
        """What the last attempt, or use of the spool, failed with; None while sending works."""
        self._count_waiting = count_waiting
        self._api_key = api_key
        self._told: set[tuple[type[ReflexioError], str]] = set()

    def failed(self, error: ReflexioError, failures: int) -> None:
        """Note a failed attempt, and warn of it unless its kind is known by now.

        Args:
            error: What the attempt failed with.
            failures: How many have failed in succession, this one included.
        """
        self.error = error
        kind = type(error), error.reason
        if kind in self._told or (failures < 2 and error.status in _MAY_PASS):
            return
        self._told.add(kind)
        # A handler of the application's may raise whatever it likes: sending goes on.
        with suppress(Exception):
            _log.warning("%s: %s; trying again", self._waiting(), self._sentence(error))

    def over(self) -> None:
        """Note that nothing fails any more."""
        self.error = None
        if self._told:
            self._told.clear()
            with suppress(Exception):
                _log.info("publishes are sent again; %s", self._waiting())

    def step_failed(self, error: Exception) -> None:
        """Note what came in the way of sending here; that the spool is locked passes by itself."""
        if isinstance(error, SpoolError) and not isinstance(error, SpoolBusyError):
            self.failed(error, 1)

    def spool_works(self) -> None:
        """Note that the spool could be used, if that is what failed last."""
        if isinstance(self.error, SpoolError):
            self.over()

    def _waiting(self) -> str:
        try:
            count = self._count_waiting()
        except SpoolError:
            return "publishes wait"
        return "1 publish waits" if count == 1 else f"{count:,} publishes wait"

    def _sentence(self, error: ReflexioError) -> str:
        if is_fault(error):
            # What somebody else's code says of its fault may quote what it was given.
            return f"the server failed ({error.reason})"
        text = " ".join(str(error).split()).removesuffix(".")
        return text.replace(self._api_key, "…") if self._api_key else text
