"""The thread that sends what is in the spool: one for each publisher, of which one at a time has the lock."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from reflexio import _calls as calls
from reflexio import errors
from reflexio._transport.exchange import Connection
from reflexio.background.counters import Counting
from reflexio.background.errors import SpoolBusyError, SpoolError
from reflexio.background.expiry import expired
from reflexio.background.flight import Attempt, Flight
from reflexio.background.lanes import Lane, Lanes
from reflexio.background.outage import Outage
from reflexio.background.presence import Presence
from reflexio.background.publication import call_from
from reflexio.background.reporter import Reporter
from reflexio.background.sender_lock import SenderLock
from reflexio.background.spool import Entry, Spool
from reflexio.background.verdict import Verdict, is_fault, verdict

_LOOK_EVERY_SECONDS = 0.2
_BUSY_SECONDS = 0.01
_GATHER_SECONDS = 0.002
_MOST_FOUND = 500
_FORK_SECONDS = 0.5
"""Usually it is a millisecond. If it is not enough the fork goes on, and gRPC may complain on standard error."""


class Sender:
    """Sends what is in a spool, whoever handed it over, for as long as it runs."""

    def __init__(
        self,
        spool: Spool,
        connection: Connection,
        counting: Counting,
        reporter: Reporter,
        write_held: Callable[[], bool],
        *,
        concurrency: int,
        max_age: float | None,
    ) -> None:
        self._spool = spool
        self._counting = counting
        self._reporter = reporter
        self._write_held = write_held
        self._concurrency = concurrency
        self._max_age = max_age
        self._lock = SenderLock(spool.path.with_name("sender.lock"))
        # Held while calls are begun, so that a fork can wait for a moment in which none is.
        self._beginning = threading.RLock()
        self._inbox: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._flight = Flight(connection, self._inbox.put)
        self._thread = threading.Thread(target=self._run, name="reflexio publisher", daemon=True)
        self._asleep = False
        self._stopping = False
        self._hurried = False
        self._may_send = True
        self._generation = 0
        self._lanes = Lanes()
        self._gone: list[Attempt] = []
        self._published = 0
        self._most_under_way = concurrency
        self.outage = Outage(lambda: spool.totals()[0], connection.api_key)
        self._server = Presence(self.outage)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def hopeful(self) -> bool:
        """Whether what waits may be sent soon: here, and by a server that is not known to be away."""
        return self._may_send and not self._server.pause.failures

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: The system gives no thread.
        """
        self._thread.start()

    def wake(self) -> None:
        """Something was handed over. While the server is away, or another process sends, that changes nothing."""
        if self._asleep:
            self._asleep = False
            self._inbox.put(None)

    def hurry(self) -> None:
        """End all pauses: somebody waits."""
        self._hurried = True
        self._inbox.put(None)

    def stop(self, seconds: float) -> None:
        """End the thread and its calls, waiting no longer than that. What was not answered is sent by the next."""
        self._stopping = True
        self._inbox.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def before_fork(self) -> None:
        """End all calls, and begin none: gRPC's own preparations need a moment without."""
        self._beginning.acquire()
        self._flight.cancel(_FORK_SECONDS)

    def after_fork(self) -> None:
        """Go on, in the parent."""
        self._beginning.release()

    def _run(self) -> None:
        pause = 0.0
        try:
            while not self._stopping:
                try:
                    self._wait(pause)
                    pause = self._step()
                except Exception as error:  # noqa: BLE001  # Whatever it was, what waits has to be sent afterwards.
                    pause = _BUSY_SECONDS if isinstance(error, SpoolBusyError) else 1.0
                    self.outage.step_failed(error)
                else:
                    self.outage.spool_works()
        finally:
            with suppress(Exception):
                self._write_held()
            self._flight.cancel()
            self._flight.close()
            with suppress(OSError):
                self._lock.release()

    def _wait(self, seconds: float) -> None:
        with suppress(queue.Empty):
            ended = self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait()
            if ended is None:
                # Let whoever has just handed something over get on, and gather what else comes.
                time.sleep(_GATHER_SECONDS)
            while True:
                if ended is not None:
                    self._judge(ended)
                ended = self._inbox.get_nowait()

    def _step(self) -> float:
        """Do what there is to do now; returns the seconds after which there may be more."""
        if not self._write_held():
            return _BUSY_SECONDS
        if self._stands_aside() or not self._is_the_sender():
            return _LOOK_EVERY_SECONDS
        self._asleep = self._server.answers or not self._server.pause.failures
        if self._hurried:
            self._hurried = False
            self._server.pause.hurry()
            self._lanes.hurry()
        self._settle()
        more = self._look()
        if self._spool.generation != self._generation:
            self._begin_anew()
            return 0.0
        with self._beginning:
            self._send()
        self._spool.checkpoint_when_due()
        return 0.0 if more else self._seconds_until_due()

    def _stands_aside(self) -> bool:
        """Let another publisher try, whose key may be a good one, while this one's is not."""
        if not self._server.refused_key or self._hurried or self._flight:
            return False
        self._settle()
        # Perhaps nobody else is there who would.
        self._spool.checkpoint_when_due()
        self._may_send = False
        self._lock.release()
        return True

    def _is_the_sender(self) -> bool:
        try:
            self._may_send = self._lock.acquire()
        except OSError as error:
            # The folder is made by whoever opens the spool.
            self._spool.totals()
            raise SpoolError(str(error)) from error
        return self._may_send

    def _look(self) -> bool:
        """Take up what was handed over since; returns whether there may be more of it."""
        if not self._lanes.has_room:
            return False
        found = self._spool.lanes_after(self._lanes.looked_until, _MOST_FOUND)
        self._lanes.add(found)
        return len(found) == _MOST_FOUND and self._lanes.has_room

    def _begin_anew(self) -> None:
        """The file is another one: places in it mean something else, and so does the lock beside it."""
        self._generation = self._spool.generation
        self._lanes = Lanes()
        self._gone.clear()
        self._lock.release()

    def _settle(self) -> None:
        """Remove what is done with, and only then go on with its session."""
        gone = [attempt for attempt in self._gone if attempt.generation == self._generation]
        if gone:
            self._spool.remove([attempt.entry.seq for attempt in gone if attempt.entry is not None])
        self._gone.clear()
        for attempt in gone:
            if attempt.lane is not None and attempt.entry is not None:
                attempt.lane.go_on(attempt.entry.seq)
                self._lanes.give_back(attempt.lane)
        if gone and not self._lanes.failing:
            self.outage.over()

    def _send(self) -> None:
        now = time.monotonic()
        if not self._server.answers:
            if not self._server.asking and not self._lanes.all_busy and self._server.pause.over(now):
                self._server.asking = True
                self._flight.begin(Attempt(calls.who_am_i()))
            return
        taken: list[tuple[Lane, Entry]] = []
        try:
            while len(self._flight) + len(taken) < self._most_under_way and (lane := self._lanes.take(now)):
                self._take_next(lane, taken)
            if new := [entry.seq for _, entry in taken if entry.attempted_at is None]:
                self._spool.note_attempts(new, time.time_ns())
        except SpoolError:
            for lane, _ in taken:
                self._lanes.give_back(lane)
            raise
        for lane, entry in taken:
            self._begin(lane, entry)

    def _take_next(self, lane: Lane, taken: list[tuple[Lane, Entry]]) -> None:
        try:
            entry = self._spool.next_of(lane.key, lane.done_until)
        except SpoolError:
            self._lanes.give_back(lane)
            raise
        if entry is None:
            self._lanes.forget(lane)
        else:
            taken.append((lane, entry))

    def _begin(self, lane: Lane, entry: Entry) -> None:
        problem: errors.ReflexioError | None = expired(entry, time.time_ns(), self._max_age)
        try:
            call = call_from(entry.payload)
        except Exception as error:  # noqa: BLE001  # Damaged on disk, in whatever way.
            call, problem = calls.who_am_i(), SpoolError(f"what was spooled cannot be read: {error}")
        attempt = Attempt(call, lane, entry, self._generation)
        if problem is None:
            self._flight.begin(attempt)
        else:
            self._refuse(attempt, entry, problem)
            self._inbox.put(None)

    def _judge(self, attempt: Attempt) -> None:
        """Note what the end of a call means."""
        error, lane, entry = attempt.error, attempt.lane, attempt.entry
        if lane is None or entry is None:
            self._server.was_asked(error)
            return
        if error is None:
            self._published += 1
            self._counting.add("published")
            self._most_under_way = min(self._most_under_way + 1, self._concurrency)
            self._gone.append(attempt)
            return
        if is_fault(error):
            lane.failed(self._published)
        what = verdict(error, lane.faults)
        if what is Verdict.REFUSE:
            self._refuse(attempt, entry, error)
            return
        self._counting.add("retried")
        if error.status in {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}:
            self._most_under_way = max(self._most_under_way // 2, 1)
        if what is Verdict.ASK_SERVER:
            self._server.hear(error)
        slow = what is Verdict.WAIT_SLOWLY
        lane.pause.after_failure(time.monotonic(), retry_after=error.retry_after, slow=slow)
        self.outage.failed(error, lane.pause.failures)
        if attempt.generation == self._generation:
            self._lanes.give_back(lane)

    def _refuse(self, attempt: Attempt, entry: Entry, error: errors.ReflexioError) -> None:
        self._gone.append(attempt)
        self._reporter.refused_entry(entry.payload, entry.handed_over_at, error)

    def _seconds_until_due(self) -> float:
        due = self._lanes.next_due() if self._server.answers else self._server.pause.until or None
        if due is None:
            return _LOOK_EVERY_SECONDS
        return min(max(due - time.monotonic(), 0.001), _LOOK_EVERY_SECONDS)
