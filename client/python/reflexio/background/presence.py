"""Whether the server answers, and when to ask it again."""

import time

from reflexio import errors
from reflexio.background.outage import Outage
from reflexio.background.pauses import Pause
from reflexio.background.verdict import Verdict, verdict

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
    def refused_key(self) -> bool:
        """Whether it is there, does not know the API key, and is not to be asked again yet."""
        refused = not self.answers and isinstance(self._outage.error, errors.UnauthenticatedError)
        return refused and not self.pause.over(time.monotonic())

    def was_asked(self, error: errors.ReflexioError | None) -> None:
        """Note how a question ended: with an error of most kinds, it was answered."""
        self.asking = False
        no_answer = isinstance(error, errors.DeadlineExceededError)
        self.hear(error if error and (no_answer or verdict(error, 0) is Verdict.ASK_SERVER) else None)

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
