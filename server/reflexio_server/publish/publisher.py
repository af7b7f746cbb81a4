"""Publishing: one transaction, then the embedder is told."""

import asyncio
import time
from dataclasses import dataclass, replace

import structlog

from reflexio_server.domain.ids import OrgId, new_request_id
from reflexio_server.domain.request import Publication, Publish
from reflexio_server.embed.backlog import LEASE_SECONDS, Backlog
from reflexio_server.store.publications import PublicationStore

_log = structlog.get_logger("reflexio.publish")


@dataclass(frozen=True, slots=True)
class Publisher:
    """Stores publications and has them embedded."""

    store: PublicationStore
    backlog: Backlog

    async def publish(self, org_id: OrgId, publication: Publication, *, wait: bool) -> Publish:
        """Store `publication`, or find what was stored under its key.

        Args:
            org_id: Whose it is.
            publication: What to store. Interactions without a time get the present one.
            wait: Whether to return only when everything that it causes is done.

        Raises:
            IdempotencyKeyReused: The key was used for other content.
            DatabaseUnavailable: Whether it was stored is not known; repeating it under its key is safe.
        """
        storing = asyncio.create_task(self._store(org_id, publication))
        try:
            # A caller that hangs up must not leave the work half done: committed, but not handed over.
            await asyncio.wait([storing])
        except asyncio.CancelledError:
            storing.add_done_callback(_log_failure)
            raise
        publish = storing.result()
        if wait:
            await self.backlog.wait_for(org_id, publish.interaction_ids)
        return publish

    async def _store(self, org_id: OrgId, publication: Publication) -> Publish:
        now = time.time_ns()
        dated = replace(
            publication,
            interactions=tuple(
                i if i.created_at is not None else replace(i, created_at=now) for i in publication.interactions
            ),
        )
        has_room = self.backlog.has_room(org_id, dated.user_id, len(dated.interactions))
        lease_seconds = LEASE_SECONDS if has_room else 0
        publish = await self.store.add(org_id, dated, new_request_id(), now, lease_seconds)
        if has_room and not publish.repeated:
            texts = (interaction.searchable_text for interaction in dated.interactions)
            work = [(i, text) for i, text in zip(publish.interaction_ids, texts, strict=True) if text]
            self.backlog.hand_over(org_id, dated.user_id, work)
        elif not has_room:
            self.backlog.wake()
        return publish


def _log_failure(storing: asyncio.Task[Publish]) -> None:
    """Note what nobody else is told: the caller is gone."""
    if not storing.cancelled() and (error := storing.exception()) is not None:
        _log.warning("could not store a publish whose caller hung up", error=type(error).__name__)
