"""Keeps calls and forks apart.

gRPC prepares for a fork only where no thread is inside it; otherwise the first call of the child hangs, whatever its
deadline. So a fork waits until the calls under way are answered, and calls wait until the fork is done. That wait is
bounded: behind a call that takes longer than a few seconds the fork goes on as it would without.
"""

import os
import threading
import time

_LONGEST_WAIT_SECONDS = 3.0


class CallsUnderWay:
    """How many calls this process has under way; a fork waits until there are none."""

    def __init__(self) -> None:
        self._begin()

    def enter(self) -> None:
        """A call begins, once no fork is being made."""
        with self._changed:
            # Bounded like the fork's own wait: the thread that forks may be the one that this call is made from.
            self._changed.wait_for(self._no_fork, _LONGEST_WAIT_SECONDS)
            self._count += 1

    def leave(self, process: int) -> None:
        """A call that began in that process has ended."""
        if process == self._process:
            with self._changed:
                self._count -= 1
                if not self._count:
                    self._changed.notify_all()

    @property
    def process(self) -> int:
        """The process that is counted for."""
        return self._process

    def before_fork(self) -> None:
        """Wait for the calls under way, and hold back others."""
        give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._count, give_up - time.monotonic())

    def after_fork_in_parent(self) -> None:
        """Let calls begin again."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        """Count from nothing: the parent's calls are none of the child's."""
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._count = 0
        self._forks = 0

    def _no_fork(self) -> bool:
        return not self._forks


calls_under_way = CallsUnderWay()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=calls_under_way.before_fork,
        after_in_parent=calls_under_way.after_fork_in_parent,
        after_in_child=calls_under_way.after_fork_in_child,
    )
