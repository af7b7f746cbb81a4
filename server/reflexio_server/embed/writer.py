"""Writing vectors to Postgres as they come from the embedding thread: what comes together is committed together."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from reflexio_server.domain.errors import PASSING_FAULTS, NotReady
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.embed.embedder import Embedder, ModelUnavailable, Vectors
from reflexio_server.embed.embedding import Embedding
from reflexio_server.embed.held import HeldWork, Work
from reflexio_server.store import embedding_queue, vectors
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import refused_values
from reflexio_server.store.embedding_models import ModelRetired
from reflexio_server.store.vectors import EmbeddedText

_log = structlog.get_logger("reflexio.embed")

_MOST_VECTORS = 1000
"""In one transaction, so that the users' locks are held shortly. A single text may have more."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
"""Seconds between attempts while the database is away or full; the longer one until another server or this one may
try what the database refuses for an unknown reason."""

_GATHERING_SECONDS = 0.2
_GATHERED = 64
"""How many seconds to wait at most after a transaction, and for how many texts, while nobody waits for them: one costs
about as much as three publishes, however much is in it, and it would be begun with every few texts."""

_BUSY_PAUSE = 0.02
"""Seconds until vectors of a user whose vectors somebody else is changing are tried again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Embedded:
    """What a model made of a text."""

    work: Work
    embedder: Embedder
    pieces: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a text itself is to blame for: it is set aside when that happens again and again."""

    work: Work
    kind: str
    message: str


class VectorWriter:
    """Stores the vectors of held work, and notes what the model failed on."""

    def __init__(
        self,
        database: Database,
        embedding: Embedding,
        held: HeldWork,
        after_progress: Callable[[], None],
        give_back: Callable[[Sequence[Work]], None],
    ) -> None:
        self._database = database
        self._embedding = embedding
        self._held = held
        self._after_progress = after_progress
        self._give_back = give_back
        self._embedded: list[_Embedded] = []
        self._failed: list[_Failed] = []
        self._arrived = asyncio.Event()
        self._hurry = asyncio.Event()

    def embedded(self, work: Work, embedder: Embedder) -> None:
        """Take the result of `work`, whose job is over, from the model that it was given to."""
        if work.job.result.cancelled():
            return
        error = work.job.result.exception()
        if error is None:
            self._embedded.append(_Embedded(work, embedder, half_precision(work.job.result.result())))
        elif isinstance(error, NotReady):
            self._held.finish(work, left_queue=False)
        else:
            self._failed.append(_Failed(work, type(error).__name__, str(error)))
        self._arrived.set()
        if work.awaited or len(self._embedded) >= _GATHERED:
            self._hurry.set()

    def awaited(self, works: Iterable[Work]) -> None:
        """Note that somebody waits for `works`: they are written as soon as they come."""
        for work in works:
            work.awaited = True
            self._hurry.set()

    async def run(self) -> None:
        """Write what comes, for ever. While the database is away or full everything is kept."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._hurry.clear()
            while self._embedded or self._failed:
                failed, self._failed = self._failed, []
                for one in failed:
                    await self._set_back(one)
                await self._write(self._next_portion())
                self._after_progress()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GATHERING_SECONDS):
                    await self._hurry.wait()

    def _next_portion(self) -> Sequence[_Embedded]:
        count = size = 0
        for entry in self._embedded:
            if count and size + len(entry.pieces) > _MOST_VECTORS:
                break
            count += 1
            size += len(entry.pieces)
        portion, self._embedded = self._embedded[:count], self._embedded[count:]
        return portion

    async def _write(self, portion: Sequence[_Embedded]) -> None:
        together: dict[tuple[OrgId, str], list[_Embedded]] = defaultdict(list)
        for entry in portion:
            together[entry.work.org_id, entry.embedder.name].append(entry)
        for (org_id, _), entries in together.items():
            try:
                await self._write_together(org_id, entries)
            except Exception:  # noqa: BLE001 -- it must not end because of one portion.
                _log.exception("could not store vectors", org_id=org_id, interactions=len(entries))
                await self._write_each(org_id, entries)

    async def _write_together(self, org_id: OrgId, entries: Sequence[_Embedded]) -> None:
        works = [entry.work for entry in entries]
        try:
            busy = await self._persistently(partial(self._store, org_id, entries))
        except ModelRetired:
            await self._follow()
            self._give_back(works)
            return
        # What is not stored was deleted, or stored by another server: it left the queue in any case.
        for work in works:
            if work.user_id not in busy:
                self._held.finish(work, left_queue=True)
        if busy:
            again = [entry for entry in entries if entry.work.user_id in busy]
            asyncio.get_running_loop().call_later(_BUSY_PAUSE, self._try_again, again)

    async def _write_each(self, org_id: OrgId, entries: Sequence[_Embedded]) -> None:
        """Write by itself what could not be written together: one may be to blame, or none of them."""
        blameless: list[Work] = []
        for entry in entries:
            try:
                await self._write_together(org_id, [entry])
            except Exception as error:  # noqa: BLE001 -- as above.
                if (refusal := refused_values(error)) is not None:
                    self._failed.append(_Failed(entry.work, refusal, "the database refused its vectors"))
                else:
                    blameless.append(entry.work)
        if blameless:
            asyncio.get_running_loop().call_later(_LONGEST_PAUSE, self._give_back, blameless)

    def _try_again(self, entries: Sequence[_Embedded]) -> None:
        self._embedded += entries
        self._arrived.set()
        if any(entry.work.awaited for entry in entries):
            self._hurry.set()

    async def _store(self, org_id: OrgId, entries: Sequence[_Embedded]) -> set[UserId]:
        texts = [EmbeddedText(e.work.user_id, e.work.interaction_id, e.pieces) for e in entries]
        embedder = entries[0].embedder
        return (await vectors.store(self._database, org_id, embedder.name, embedder.dimension, texts)).busy

    async def _follow(self) -> None:
        """Take the model that is active now: what is given back is otherwise embedded in vain again."""
        try:
            await self._persistently(self._embedding.follow)
        except ModelUnavailable as error:
            _log.exception("could not change to the active embedding model", error=str(error))
            # Meanwhile other servers can take what is given back.
            await asyncio.sleep(_LONGEST_PAUSE)

    async def _set_back(self, failed: _Failed) -> None:
        work = failed.work

        async def note() -> bool:
            reason = f"{failed.kind}: {failed.message}"
            async with self._database.autocommit(work.org_id) as connection:
                return await embedding_queue.fail(connection, work.org_id, work.interaction_id, reason)

        set_aside = False
        try:
            set_aside = await self._persistently(note)
        except Exception:  # noqa: BLE001 -- the lease runs out, and somebody tries again.
            _log.exception("could not note a failure", org_id=work.org_id, interaction_id=work.interaction_id)
        event = "set an interaction aside" if set_aside else "could not embed an interaction"
        _log.warning(event, org_id=work.org_id, interaction_id=work.interaction_id, error=failed.kind)
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


def half_precision(pieces: Vectors) -> Sequence[bytes]:
    """Vectors as they are stored."""
    return [vector.tobytes() for vector in pieces.astype("<f2")]
