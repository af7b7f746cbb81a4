"""What both publishers are: a spool, a thread that sends, and what happens at forks and at the end."""

import atexit
import functools
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from reflexio._transport.exchange import Connection
from reflexio.background.counters import BackgroundCounters, Counting
from reflexio.background.errors import SpoolError
from reflexio.background.location import default_folder, spool_name
from reflexio.background.publication import BackgroundPublish, encode
from reflexio.background.reporter import OnRefused, Reporter
from reflexio.background.sender import Sender
from reflexio.background.spool import Spool
from reflexio.errors import ClientClosedError, ReflexioError, invalid_argument

WhenFull = Literal["refuse", "drop_oldest"]

_EXIT_SECONDS = 1.0
_JOIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a publisher was asked to be; `BackgroundPublisher` explains each."""

    spool_folder: str | os.PathLike[str] | None
    account: str | None
    max_bytes: int
    when_full: WhenFull
    max_age: float | None
    concurrency: int
    on_refused: OnRefused | None

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InvalidArgumentError: One of them makes none.
        """
        if not isinstance(self.max_bytes, int) or self.max_bytes < 1:
            raise invalid_argument("max_bytes", f"must be a positive int, not {self.max_bytes!r}")
        if self.when_full not in {"refuse", "drop_oldest"}:
            raise invalid_argument("when_full", f"must be 'refuse' or 'drop_oldest', not {self.when_full!r}")
        if self.max_age is not None and not self.max_age > 0:
            raise invalid_argument("max_age", f"must be a positive number of seconds, not {self.max_age!r}")
        if not isinstance(self.concurrency, int) or not 1 <= self.concurrency <= 100:
            raise invalid_argument("concurrency", f"must be an int from 1 to 100, not {self.concurrency!r}")
        if self.on_refused is not None and not callable(self.on_refused):
            raise invalid_argument("on_refused", "must be callable")


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
        self._starting = threading.RLock()
        self._sender: Sender | None = None
        self._spool: Spool | None = None
        _alive.add(self)
        with suppress(ReflexioError):
            self._opened().totals()
            self._wake()

    def publish(self, given: BackgroundPublish, request_group: str | None) -> bool:
        """Put a publish into the spool; returns whether it is there."""
        try:
            if self._closed:
                raise ClientClosedError("the publisher is closed")  # noqa: TRY301  # Reported as all the others are.
            spool = self._opened()
            dropped = spool.add(encode(given, request_group), drop_oldest=self._options.when_full == "drop_oldest")
            self._counting.add("taken")
            for entry in dropped:
                error = SpoolError("dropped to make room for newer ones; it may have been stored all the same")
                self._reporter.refused_entry(entry.payload, entry.handed_over_at, error)
            self._wake()
        except Exception as error:  # noqa: BLE001  # The one promise of this method: an agent goes on.
            with suppress(Exception):
                self._reporter.refused(given, error)
            return False
        return True

    def counters(self) -> BackgroundCounters:
        """The figures of this moment; what waits counts as nothing while the spool cannot be read."""
        waiting, used = 0, 0
        with suppress(ReflexioError):
            waiting, used = self._opened().totals()
        return self._counting.snapshot(waiting, used)

    def last_place(self) -> int | None:
        """The place in the spool of what was handed over last; None while the spool cannot be read."""
        with suppress(ReflexioError):
            return self._opened().last_place()
        return None

    def hurry(self) -> None:
        """Have what waits sent without a pause."""
        with suppress(ReflexioError):
            self._wake()
            if self._sender is not None:
                self._sender.hurry()

    def is_done_until(self, place: int | None) -> bool:
        """Whether nothing is left of what was handed over until then."""
        if place is None:
            return False
        with suppress(ReflexioError):
            return not self._opened().has_any_until(place)
        return False

    def wait(self, place: int | None, seconds: float) -> bool:
        """Block until nothing is left until a place, but no longer than that; returns whether that came true."""
        for pause in looks(seconds):
            if self.is_done_until(place):
                return True
            time.sleep(pause)
        return self.is_done_until(place)

    @property
    def running(self) -> bool:
        """Whether there is a thread that sends, or waits to be the one that does."""
        sender = self._sender
        return sender is not None and sender.alive

    def take_no_more(self) -> None:
        """Refuse what is handed over from now on; what waits is still sent."""
        self._closed = True

    def end(self) -> None:
        """Take nothing more, and end the thread. What waits stays on disk."""
        self._closed = True
        self._end(give=0.0)

    def at_exit(self) -> None:
        """Send for a moment more, where this process sends and the server is not known to be away, and end the thread.

        What is handed over by whatever runs after this is still taken; the next process sends it.
        """
        self._exiting = True
        self._end(give=_EXIT_SECONDS)

    def _end(self, *, give: float) -> None:
        _alive.discard(self)
        sender = self._sender
        if sender is not None and sender.alive:
            if give and sender.hopeful:
                self.wait(self.last_place(), give)
            sender.stop(_JOIN_SECONDS)
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
    for core in list(_alive):
        core.at_exit()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=functools.partial(_after_fork, in_child=False),
        after_in_child=functools.partial(_after_fork, in_child=True),
    )
