"""What both publishers are: a spool, a thread that sends, and what happens at forks and at the end."""

import atexit
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reflexio._transport.exchange import Connection
from reflexio.background.counters import BackgroundCounters, Counting
from reflexio.background.errors import SpoolBusyError, SpoolError
from reflexio.background.held import Held
from reflexio.background.location import default_folder, spool_name
from reflexio.background.options import Options
from reflexio.background.publication import BackgroundPublish, Encoded, encode
from reflexio.background.reporter import Reporter
from reflexio.background.sender import Sender
from reflexio.background.spool import Entry, Spool
from reflexio.background.spool_file import BUSY_SECONDS
from reflexio.errors import ClientClosedError, ReflexioError

_EXIT_SECONDS = 1.0
_JOIN_SECONDS = 1.0


def looks(seconds: float) -> Iterator[float]:
    """Pauses between looks at something that is awaited, short at first, that long together."""
    give_up = time.monotonic() + seconds
    pause = 0.002
    while (left := give_up - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(pause * 1.5, 0.05)


class Core:
    """A publisher without its face. Any thread may use it; in a forked child it begins anew on the same spool."""

    def __init__(self, connection: Connection, options: Options) -> None:
        options.check()
        self.connection = connection
        self._options = options
        self._closed = False
        self._exiting = False
        self._counting = Counting()
        self._reporter = Reporter(options.on_refused, self._counting)
        self._held = Held()
        self._starting = threading.RLock()
        self._sender: Sender | None = None
        self._spool: Spool | None = None
        _alive.add(self)
        with suppress(ReflexioError):
            self._opened().totals()
            self._wake()

    def publish(self, given: BackgroundPublish, request_group: str | None) -> bool:
        """Put a publish into the spool, or hold it until that can be written to; returns whether that was done."""
        try:
            if self._closed:
                raise ClientClosedError("the publisher is closed")  # noqa: TRY301  # Reported as all the others are.
            self._take(encode(given, request_group))
            self._counting.add("taken")
            self._wake()
        except Exception as error:  # noqa: BLE001  # The one promise of this method: an agent goes on.
            with suppress(Exception):
                self._reporter.refused(given, error)
            return False
        return True

    def write_held(self) -> bool:
        """Write what is held in memory into the spool; returns whether nothing is left of it."""
        self._held.write(self._store, self._refuse)
        return not self._held

    def _take(self, publish: Encoded) -> None:
        if self._held and not self.running:
            self.write_held()
        # Whoever hands over without a pause would otherwise fill the memory while it is being written, and be refused.
        elif self._held and not self.wait(self._held.settled, BUSY_SECONDS):
            self._held.waited_in_vain()
        if not self._held:
            try:
                self._store(publish)
            except SpoolBusyError:
                # At the end of the interpreter nobody would write it.
                if self._exiting:
                    raise
            else:
                return
        self._held.add(publish)

    def _store(self, publish: Encoded) -> None:
        dropped = self._opened().add(publish, drop_oldest=self._options.when_full == "drop_oldest")
        for entry in dropped:
            self._refuse(entry, SpoolError("dropped to make room for newer ones; it may have been stored all the same"))

    def _refuse(self, publish: Encoded | Entry, error: SpoolError) -> None:
        self._reporter.refused_entry(publish.payload, publish.handed_over_at, error)

    def counters(self) -> BackgroundCounters:
        """The figures of this moment; what waits counts as nothing while the spool cannot be read."""
        waiting, used = 0, 0
        with suppress(ReflexioError):
            waiting, used = self._opened().totals()
        return self._counting.snapshot(waiting, used)

    def _last_place(self) -> int | None:
        """The place of what was handed over last; None while it has none, or the spool cannot be read."""
        with suppress(ReflexioError):
            return self._opened().last_place() if not self._held else None
        return None

    def hurry(self) -> None:
        """Have what waits sent without a pause."""
        with suppress(ReflexioError):
            self._wake()
            if self._sender is not None:
                self._sender.hurry()

    def goal(self) -> Callable[[], bool]:
        """What tells whether nothing is left of all that was handed over before."""
        place = self._last_place()

        def reached() -> bool:
            nonlocal place
            if place is None:
                place = self._last_place()
            return place is not None and self._is_done_until(place)

        return reached

    def wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Block until a goal is reached, but no longer than that; returns whether it was."""
        for pause in looks(seconds):
            if reached():
                return True
            time.sleep(pause)
        return reached()

    def _is_done_until(self, place: int) -> bool:
        with suppress(ReflexioError):
            return not self._opened().has_any_until(place)
        return False

    @property
    def running(self) -> bool:
        """Whether there is a thread that sends, or waits to be the one that does."""
        sender = self._sender
        return sender is not None and sender.alive

    @property
    def last_error(self) -> ReflexioError | None:
        """What the last attempt failed with; None while sending works, or another process sends."""
        sender = self._sender
        return sender.outage.error if sender is not None else None

    def take_no_more(self) -> None:
        """Refuse what is handed over from now on; what waits is still sent."""
        self._closed = True

    def end(self) -> None:
        """Take nothing more, and end the thread. What waits stays on disk."""
        self._closed = True
        self._end(give=0.0)

    def at_exit(self, give: float) -> None:
        """Send for so many seconds more, where this process sends and the server is not known to be away, and end.

        What is handed over by whatever runs after this is still taken; the next process sends it.
        """
        self._exiting = True
        self._end(give=give)

    def _end(self, *, give: float) -> None:
        _alive.discard(self)
        sender = self._sender
        if sender is not None and sender.alive:
            if give > 0 and sender.hopeful:
                self.wait(self.goal(), give)
            sender.stop(_JOIN_SECONDS)
        # Only where somebody else has kept the spool locked until now is anything held.
        self.wait(self.write_held, _JOIN_SECONDS)
        self._held.give_up(self._refuse)
        self._reporter.finish(_JOIN_SECONDS)
        if self._spool is not None:
            self._spool.close()

    def let_go(self) -> None:
        """Have the thread end soon, without waiting: nobody has the publisher any more."""
        self._closed = True
        if self._sender is not None:
            self._sender.stop(0)

    def before_fork(self) -> None:
        """Let nothing be half done in the child."""
        self._starting.acquire()
        if self._sender is not None:
            self._sender.before_fork()
        if self._spool is not None:
            self._spool.before_fork()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; the child with a thread of its own, from its first use on, and with figures of its own."""
        if self._spool is not None:
            self._spool.after_fork()
        if self._sender is not None and not in_child:
            self._sender.after_fork()
        if in_child:
            # What it has of gRPC's is dead here, and must not even be taken apart.
            _left_behind.append(self._sender)
            self._sender = None
            self._counting = Counting()
            self._reporter = Reporter(self._options.on_refused, self._counting)
            # Its parent writes what it holds.
            self._held = Held()
        self._starting.release()

    def _opened(self) -> Spool:
        """The spool, which looks after its file itself.

        Raises:
            SpoolError: There is no place for it.
        """
        if self._spool is None:
            options = self._options
            try:
                folder = Path(options.spool_folder) if options.spool_folder is not None else default_folder()
                name = spool_name(self.connection.endpoint, self.connection.api_key, options.account)
                self._spool = Spool((folder / name / "spool.db").resolve(), options.max_bytes)
            except (OSError, RuntimeError, TypeError, ValueError) as error:
                raise SpoolError(f"there is no folder for the spool: {error}") from error
        return self._spool

    def _wake(self) -> None:
        sender = self._sender
        if sender is None or not sender.alive:
            sender = self._started()
        if sender is not None:
            sender.wake()

    def _started(self) -> Sender | None:
        with self._starting:
            if self._closed or self._exiting or (self._sender is not None and self._sender.alive):
                return self._sender
            options = self._options
            sender = Sender(
                self._opened(),
                replace(self.connection),
                self._counting,
                self._reporter,
                self.write_held,
                concurrency=options.concurrency,
                max_age=options.max_age,
            )
            try:
                sender.start()
            except RuntimeError:
                # No more threads, or the interpreter ends: on disk it is, and the next one sends it.
                return None
            self._sender = sender
            return sender


_alive: "weakref.WeakSet[Core]" = weakref.WeakSet()
_forks = threading.RLock()
_held: list[Core] = []
_left_behind: list[Sender | None] = []


def _before_fork() -> None:
    _forks.acquire()
    for core in list(_alive):
        core.before_fork()
        _held.append(core)


def _after_fork(*, in_child: bool) -> None:
    while _held:
        _held.pop().after_fork(in_child=in_child)
    _forks.release()


def _at_exit() -> None:
    # All send meanwhile, and so they share the time, however many there are.
    until = time.monotonic() + _EXIT_SECONDS
    for core in list(_alive):
        core.at_exit(until - time.monotonic())


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=functools.partial(_after_fork, in_child=False),
        after_in_child=functools.partial(_after_fork, in_child=True),
    )
