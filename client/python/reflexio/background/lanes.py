"""Whose turn it is: one publish of a session at a time, sessions side by side, in bounded memory."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from reflexio.background.pauses import Pause

_MOST_LANES = 1000


@dataclass(slots=True, eq=False)
class Lane:
    """What is known of one session of one user: how far it is, not what waits in it."""

    key: bytes
    done_until: int
    """Nothing of it is left in the spool up to this place."""
    pause: Pause = field(default_factory=Pause)
    faults: int = 0
    """How often the server failed, in a way that may be its publish's doing, on the one whose turn it is, while others
    were published: between this failure and the one before it."""
    published_before: int | None = None
    """How many had been published, whatever their lane, when the server last failed on it."""

    def failed(self, published: int) -> None:
        """Note that the server failed, in a way that may be this publish's doing.

        Args:
            published: How many publishes, whatever their lane, have succeeded.
        """
        if self.published_before is not None and published > self.published_before:
            self.faults += 1
        self.published_before = published

    def go_on(self, done_until: int) -> None:
        """Nothing is left up to this place: what was noted of the publish there does not concern the next."""
        self.done_until = done_until
        self.pause.end()
        self.faults = 0
        self.published_before = None


class Lanes:
    """The sessions that have something in the spool, as far as was looked."""

    def __init__(self) -> None:
        self._known: dict[bytes, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._paused: list[Lane] = []
        self.looked_until = 0
        """The place up to which every publish has its lane here, or is gone."""

    @property
    def has_room(self) -> bool:
        """Whether further lanes may be added."""
        return len(self._known) < _MOST_LANES

    @property
    def all_busy(self) -> bool:
        """Whether no lane could be taken, now or after a pause."""
        return not self._ready and not self._paused

    @property
    def failing(self) -> bool:
        """Whether the last attempt of any lane failed."""
        return any(lane.pause.failures for lane in self._known.values())

    def add(self, found: Iterable[tuple[int, bytes]]) -> None:
        """Take up publishes, given by place and lane in order of their places, until there is no room."""
        for seq, key in found:
            if key not in self._known:
                if not self.has_room:
                    return
                self._known[key] = lane = Lane(key, seq - 1)
                self._ready.append(lane)
            self.looked_until = seq

    def take(self, now: float) -> Lane | None:
        """The lane whose turn it is; it is nobody else's until it is given back."""
        if self._paused:
            due = [lane for lane in self._paused if lane.pause.over(now)]
            if due:
                self._paused = [lane for lane in self._paused if not lane.pause.over(now)]
                self._ready.extend(due)
        return self._ready.popleft() if self._ready else None

    def give_back(self, lane: Lane) -> None:
        """It has had its turn, or waits for the end of its pause."""
        if lane.pause.until:
            self._paused.append(lane)
        else:
            self._ready.append(lane)

    def forget(self, lane: Lane) -> None:
        """Nothing of it is left."""
        del self._known[lane.key]

    def next_due(self) -> float | None:
        """When the first pause ends, on the monotonic clock."""
        return min((lane.pause.until for lane in self._paused), default=None)

    def hurry(self) -> None:
        """End all pauses."""
        for lane in self._paused:
            lane.pause.hurry()
