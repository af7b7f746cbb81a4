"""Writing vectors to Postgres as they come from the embedding thread: what comes together is committed together."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from reflexio_server.domain.errors import PASSING_FAULTS, NotReady
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.embed.held import HeldWork, Work
from reflexio_server.store import embedding_queue, vectors
from reflexio_server.store.database import Database
from reflexio_server.store.vectors import EmbeddedText

_log = structlog.get_logger("reflexio.embed")

_MOST_VECTORS = 1000
"""In one transaction, so that the users' locks are held shortly. A single text may have more."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
"""Seconds between attempts while the database is away or full."""

_BUSY_PAUSE = 0.02
"""Seconds until vectors of a user whose vectors somebody else is changing are tried again."""

T = TypeVar("T")


class VectorWriter:
    """Stores the vectors of held work, and notes what the model failed on."""

    def __init__(
        self, database: Database, embedder: Embedder, held: HeldWork, after_progress: Callable[[], None]
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._held = held
        self._after_progress = after_progress
        self._embedded: list[tuple[Work, Sequence[bytes]]] = []
        self._failed: list[tuple[Work, BaseException]] = []
        self._arrived = asyncio.Event()

    def embedded(self, work: Work) -> None:
        """Take the result of `work`, whose job is over."""
        if work.job.result.cancelled():
            return
        error = work.job.result.exception()
        if error is None:
            self._embedded.append((work, _half_precision(work.job.result.result())))
        elif isinstance(error, NotReady):
            self._held.finish(work, left_queue=False)
        else:
            self._failed.append((work, error))
        self._arrived.set()

    async def run(self) -> None:
        """Write what comes, for ever. While the database is away or full everything is kept."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._embedded or self._failed:
                failed, self._failed = self._failed, []
                for work, error in failed:
                    await self._set_back(work, error)
                await self._write(self._next_portion())
                self._after_progress()

    def _next_portion(self) -> Sequence[tuple[Work, Sequence[bytes]]]:
        count = size = 0
        for _, pieces in self._embedded:
            if count and size + len(pieces) > _MOST_VECTORS:
                break
            count += 1
            size += len(pieces)
        portion, self._embedded = self._embedded[:count], self._embedded[count:]
        return portion

    async def _write(self, portion: Sequence[tuple[Work, Sequence[bytes]]]) -> None:
        by_org: dict[OrgId, list[tuple[Work, Sequence[bytes]]]] = defaultdict(list)
        for work, pieces in portion:
            by_org[work.org_id].append((work, pieces))
        for org_id, entries in by_org.items():
            texts = [EmbeddedText(work.user_id, work.interaction_id, pieces) for work, pieces in entries]
            try:
                busy = await self._persistently(partial(self._store, org_id, texts))
            except Exception as error:  # noqa: BLE001 -- it must not end because of one portion.
                _log.exception("could not store vectors", org_id=org_id, interactions=len(entries))
                self._failed += [(work, error) for work, _ in entries]
            else:
                # What is not stored was deleted, or stored by another server: it left the queue in any case.
                for work, _ in entries:
                    if work.user_id not in busy:
                        self._held.finish(work, left_queue=True)
                if busy:
                    again = [entry for entry in entries if entry[0].user_id in busy]
                    asyncio.get_running_loop().call_later(_BUSY_PAUSE, self._try_again, again)

    def _try_again(self, entries: Sequence[tuple[Work, Sequence[bytes]]]) -> None:
        self._embedded += entries
        self._arrived.set()

    async def _store(self, org_id: OrgId, texts: Sequence[EmbeddedText]) -> set[UserId]:
        stored = await vectors.store(self._database, org_id, self._embedder.name, self._embedder.dimension, texts)
        return stored.busy

    async def _set_back(self, work: Work, error: BaseException) -> None:
        async def note() -> bool:
            reason = f"{type(error).__name__}: {error}"
            async with self._database.autocommit() as connection:
                return await embedding_queue.fail(connection, work.org_id, work.interaction_id, reason)

        set_aside = False
        try:
            set_aside = await self._persistently(note)
        except Exception:  # noqa: BLE001 -- the lease runs out, and somebody tries again.
            _log.exception("could not note a failure", org_id=work.org_id, interaction_id=work.interaction_id)
        event = "set an interaction aside" if set_aside else "could not embed an interaction"
        _log.warning(event, org_id=work.org_id, interaction_id=work.interaction_id, error=type(error).__name__)
        self._held.finish(work, left_queue=False)

    async def _persistently(self, action: Callable[[], Awaitable[T]]) -> T:
        """Do `action`, however long the database is away or full."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await action()
            except PASSING_FAULTS:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)


def _half_precision(pieces: Vectors) -> Sequence[bytes]:
    return [vector.tobytes() for vector in pieces.astype("<f2")]
