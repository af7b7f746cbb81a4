"""Tells the application what was refused, without the application holding anything up."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable

from reflexio.background.counters import Counting
from reflexio.background.publication import BackgroundPublish, decode

OnRefused = Callable[[BackgroundPublish, Exception], object]

_MOST_QUEUED = 1000


class Reporter:
    """Calls `on_refused` in a thread of its own, which lives only while there is something to report."""

    def __init__(self, on_refused: OnRefused | None, counting: Counting) -> None:
        self._on_refused = on_refused
        self._counting = counting
        self._queue: deque[tuple[BackgroundPublish, Exception]] = deque()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def refused(self, publish: BackgroundPublish, error: Exception) -> None:
        """Count a refusal and have it reported. Never raises."""
        self._counting.add("refused")
        if self._on_refused is None:
            return
        with self._lock:
            if len(self._queue) >= _MOST_QUEUED:
                self._counting.add("callback_errors")
                return
            self._queue.append((publish, error))
            if self._thread is None:
                self._start()

    def refused_entry(self, payload: bytes, handed_over_at: int, error: Exception) -> None:
        """The same, of something that was spooled."""
        try:
            publish = decode(payload, handed_over_at)
        except Exception:  # noqa: BLE001  # Damaged on disk, in whatever way; `error` says so.
            publish = BackgroundPublish("", [], handed_over_at=handed_over_at / 1_000_000_000)
        self.refused(publish, error)

    def finish(self, seconds: float) -> None:
        """Wait until all is reported, but no longer than that."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="reflexio refusals", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No more threads, or the interpreter ends. The next refusal tries again.
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    return
                publish, error = self._queue.popleft()
            self._call(publish, error)

    def _call(self, publish: BackgroundPublish, error: Exception) -> None:
        assert self._on_refused is not None  # noqa: S101  # Only then is anything queued.
        try:
            self._on_refused(publish, error)
        except BaseException:  # noqa: BLE001  # Whatever an application raises, SystemExit too: nobody is there to catch it.
            with contextlib.suppress(Exception):
                self._counting.add("callback_errors")
