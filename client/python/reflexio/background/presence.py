"""Whether the server answers, and when to ask it again."""

import time

from reflexio import errors
from reflexio.background.outage import Outage
from reflexio.background.pauses import Pause

_NOTHING_CHANGES_SOON = {"UNAUTHENTICATED", "UNIMPLEMENTED"}


class Presence:
    """What is known of the server. For the thread that sends alone."""

    def __init__(self, outage: Outage) -> None:
        self.answers = False
        self.asking = False
        """Whether a question is under way."""
        self.pause = Pause()
        """Before the next question."""
        self._outage = outage

    @property
    def refuses_key(self) -> bool:
        """Whether it is there, and does not know the API key."""
        return not self.answers and isinstance(self._outage.error, errors.UnauthenticatedError)

    def hear(self, error: errors.ReflexioError | None) -> None:
        """Note whether the server answers."""
        was_there, self.answers = self.answers, error is None
        if error is None:
            self.pause.end()
            return
        if was_there or self.pause.over(time.monotonic()):
            slow = error.status in _NOTHING_CHANGES_SOON
            self.pause.after_failure(time.monotonic(), retry_after=error.retry_after, slow=slow)
        self._outage.failed(error, self.pause.failures)
