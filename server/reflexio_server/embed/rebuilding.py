"""Embedding with a model that is not active yet what another one has embedded, without getting in anybody's way."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from reflexio_server.domain.errors import PASSING_FAULTS, NotReady
from reflexio_server.domain.ids import InteractionId, OrgId
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.models import EmbeddingModels
from reflexio_server.embed.writer import half_precision
from reflexio_server.store import reindexing
from reflexio_server.store.database import Database
from reflexio_server.store.embedding_models import Lease
from reflexio_server.store.embedding_queue import QueuedText
from reflexio_server.store.reach import Purpose
from reflexio_server.store.reindexing import FailedText, Place
from reflexio_server.store.vectors import EmbeddedText

_WALKED = 1000
"""How many interactions are looked at in one go."""

_PORTION = 64
_PORTION_BYTES = 256 * 1024
"""How many texts of how many bytes together are embedded and stored in one go."""

_GROUP = 8
"""How many texts are handed to the model before it looks again whether somebody else needs the processor."""

_MOST_GIVEN_WAY = 4.0
"""For how many times as long as a group took it gives way to others at most: a fifth is left to it in any case."""

_LOOK_SECONDS = 0.01
_DATABASE_PAUSE = 1.0


class NewVectors:
    """Makes the vectors of a model that is being built, under a lease."""

    def __init__(self, database: Database, lease: Lease, thread: EmbeddingThread, models: EmbeddingModels) -> None:
        self._database = database
        self._lease = lease
        self._thread = thread
        self._models = models

    async def walk(self) -> None:
        """Go over all interactions, from where the lease says.

        Raises:
            LeaseLost: Somebody else does it now, or nobody.
        """
        after = self._lease.walked_to
        while True:
            async with self._database.autocommit(Purpose.REINDEXING) as connection:
                places = await reindexing.walk(connection, self._lease, after, _WALKED)
            if not places:
                return
            lacking = [place for place in places if place.lacks]
            await self.build(lacking)
            after = (places[-1].org_id, places[-1].interaction_id)
            await reindexing.walked_to(self._database, self._lease, after, len(places) - len(lacking))

    async def build(self, places: Sequence[Place]) -> None:
        """Make and store the vectors of these interactions, of those that still exist.

        Raises:
            LeaseLost: Somebody else does it now, or nobody.
        """
        by_org: dict[OrgId, list[InteractionId]] = defaultdict(list)
        for place in places:
            by_org[place.org_id].append(place.interaction_id)
        for org_id, interaction_ids in by_org.items():
            left = sorted(interaction_ids)
            while left:
                portion = left[:_PORTION]
                async with self._database.autocommit(org_id) as connection:
                    texts = await reindexing.texts(connection, org_id, portion, _PORTION_BYTES)
                await self._build(org_id, texts)
                last = texts[-1].interaction_id if texts else portion[-1]
                # Beyond the last that was read the others are not there or did not fit.
                left = [i for i in left if i > last]

    async def _build(self, org_id: OrgId, texts: Sequence[QueuedText]) -> None:
        embedded: list[EmbeddedText] = []
        failed: list[FailedText] = []
        for start in range(0, len(texts), _GROUP):
            group = texts[start : start + _GROUP]
            begun = time.monotonic()
            jobs = [self._thread.embed_document(queued.text or "", wanted=False) for queued in group]
            try:
                outcomes = await asyncio.gather(*(job.result for job in jobs), return_exceptions=True)
            finally:
                for job in jobs:
                    job.result.cancel()
            for queued, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, np.ndarray):
                    embedded.append(EmbeddedText(queued.user_id, queued.interaction_id, half_precision(outcome)))
                elif isinstance(outcome, NotReady):
                    raise outcome
                elif isinstance(outcome, Exception):
                    reason = f"{type(outcome).__name__}: {outcome}"
                    failed.append(FailedText(queued.user_id, queued.interaction_id, reason))
            await self._give_way(time.monotonic() - begun)
        if not texts:
            return
        stored = False
        while not stored:
            try:
                await reindexing.store(self._database, self._lease, org_id, embedded, failed)
                stored = True
            except PASSING_FAULTS:
                # What is computed is not thrown away for that.
                await asyncio.sleep(_DATABASE_PAUSE)

    async def _give_way(self, seconds: float) -> None:
        """Wait while the active model is needed, but not for ever."""
        until = time.monotonic() + _MOST_GIVEN_WAY * seconds
        while not self._models.active.is_idle and time.monotonic() < until:  # noqa: ASYNC110 -- nobody tells when.
            await asyncio.sleep(_LOOK_SECONDS)
