"""What of the backlog is held in memory: which interactions, how large, and who waits for them.

No user may fill it: a user may take more while that leaves as much free as the user then has. One user alone
gets half, two get a third each, and something is always left for the next.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.embed.fair_queue import Owner
from reflexio_server.embed.job import EmbeddingJob

_MOST_TEXTS = 4096
_MOST_BYTES = 16 * 1024 * 1024
_RESERVED_TEXTS = _MOST_TEXTS // 8
_RESERVED_BYTES = _MOST_BYTES // 4
"""What of that is kept free for texts that somebody waits for."""


class Work:
    """An interaction that is being embedded here."""

    def __init__(
        self,
        org_id: OrgId,
        user_id: UserId,
        interaction_id: InteractionId,
        size: int,
        leased_until: float,
        job: EmbeddingJob,
        *,
        wanted: bool,
    ) -> None:
        self.org_id = org_id
        self.user_id = user_id
        self.interaction_id = interaction_id
        self.size = size
        """Bytes of its text."""
        self.leased_until = leased_until
        """On the event loop's clock."""
        self.job = job
        self.wanted = wanted
        """Whether it has a place among what somebody waits for."""
        self.awaited = wanted
        """Whether somebody waits for it, with or without such a place."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Over when nothing more is done about it here."""
        self.left_queue = False
        """Whether that is so because it left the queue; otherwise it has to be tried again."""

    @property
    def owner(self) -> Owner:
        """Whose share of the memory it takes."""
        return self.org_id, self.user_id


class _Shares:
    """How much each user has taken."""

    def __init__(self) -> None:
        self._texts: Counter[tuple[Owner, bool]] = Counter()
        self._bytes: Counter[tuple[Owner, bool]] = Counter()

    def change(self, work: Work, sign: int) -> None:
        key = (work.owner, work.wanted)
        self._texts[key] += sign
        self._bytes[key] += sign * work.size
        if not self._texts[key]:
            del self._texts[key], self._bytes[key]

    def taken(self, owner: Owner, *, wanted: bool) -> tuple[int, int]:
        """Texts and bytes. What is wanted is counted by itself: it need not wait for the user's own backlog."""
        kinds = (True,) if wanted else (False, True)
        return sum(self._texts[owner, kind] for kind in kinds), sum(self._bytes[owner, kind] for kind in kinds)


class HeldWork:
    """The interactions that are being embedded here, within bounds.

    Args:
        on_left: Called with the owner of each interaction that left the queue.
    """

    def __init__(self, on_left: Callable[[OrgId, UserId], None] = lambda *_: None) -> None:
        self._work: dict[tuple[OrgId, InteractionId], Work] = {}
        self._bytes = 0
        self._shares = _Shares()
        self._on_left = on_left

    def __len__(self) -> int:
        return len(self._work)

    def __iter__(self) -> Iterator[Work]:
        return iter(self._work.values())

    def get(self, org_id: OrgId, interaction_id: InteractionId) -> Work | None:
        """The work on an interaction, if it is done here."""
        return self._work.get((org_id, interaction_id))

    def has_room(self, owner: Owner, texts: int, size: int, *, wanted: bool) -> bool:
        """Whether so many more texts of so many bytes of this owner may come. Without an owner: whether they fit."""
        most_texts = _MOST_TEXTS if wanted else _MOST_TEXTS - _RESERVED_TEXTS
        free_texts, free_bytes = most_texts - len(self._work), self.room_bytes(wanted=wanted)
        if owner is None:
            return texts <= free_texts and size <= free_bytes
        own_texts, own_bytes = self._shares.taken(owner, wanted=wanted)
        return own_texts + 2 * texts <= free_texts and own_bytes + 2 * size <= free_bytes

    def room_bytes(self, *, wanted: bool) -> int:
        """How many more bytes of text may come."""
        most_bytes = _MOST_BYTES if wanted else _MOST_BYTES - _RESERVED_BYTES
        return max(0, most_bytes - self._bytes)

    def add(self, work: Work) -> None:
        """Hold `work`."""
        self._work[work.org_id, work.interaction_id] = work
        self._bytes += work.size
        self._shares.change(work, 1)

    def finish(self, work: Work, *, left_queue: bool) -> None:
        """Hold `work` no more, and tell those who wait for it."""
        if self._work.pop((work.org_id, work.interaction_id), None) is not None:
            self._bytes -= work.size
            self._shares.change(work, -1)
            if left_queue:
                self._on_left(work.org_id, work.user_id)
        work.left_queue = left_queue
        if not work.done.done():
            work.done.set_result(None)

    def clear(self) -> None:
        """Give up everything."""
        for work in self._work.values():
            work.job.result.cancel()
            work.done.cancel()
        self._work.clear()
        self._bytes = 0
        self._shares = _Shares()
