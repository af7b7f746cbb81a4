"""What of the backlog is held in memory: which interactions, how large, and who waits for them."""

import asyncio
from collections.abc import Iterator

from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.embed.batching import EmbeddingJob

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
    ) -> None:
        self.org_id = org_id
        self.user_id = user_id
        self.interaction_id = interaction_id
        self.size = size
        """Bytes of its text."""
        self.leased_until = leased_until
        """On the event loop's clock."""
        self.job = job
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Over when nothing more is done about it here."""
        self.left_queue = False
        """Whether that is so because it left the queue; otherwise it has to be tried again."""


class HeldWork:
    """The interactions that are being embedded here, within bounds."""

    def __init__(self) -> None:
        self._work: dict[tuple[OrgId, InteractionId], Work] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._work)

    def __iter__(self) -> Iterator[Work]:
        return iter(self._work.values())

    def get(self, org_id: OrgId, interaction_id: InteractionId) -> Work | None:
        """The work on an interaction, if it is done here."""
        return self._work.get((org_id, interaction_id))

    def has_room(self, texts: int, size: int, *, wanted: bool) -> bool:
        """Whether so many more texts of so many bytes may come."""
        most_texts = _MOST_TEXTS if wanted else _MOST_TEXTS - _RESERVED_TEXTS
        return len(self._work) + texts <= most_texts and size <= self.room_bytes(wanted=wanted)

    def room_bytes(self, *, wanted: bool) -> int:
        """How many more bytes of text may come."""
        most_bytes = _MOST_BYTES if wanted else _MOST_BYTES - _RESERVED_BYTES
        return max(0, most_bytes - self._bytes)

    def add(self, work: Work) -> None:
        """Hold `work`."""
        self._work[work.org_id, work.interaction_id] = work
        self._bytes += work.size

    def finish(self, work: Work, *, left_queue: bool) -> None:
        """Hold `work` no more, and tell those who wait for it."""
        if self._work.pop((work.org_id, work.interaction_id), None) is not None:
            self._bytes -= work.size
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
