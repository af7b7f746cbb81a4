"""Publishing: one transaction, then the embedder is told."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from reflexio_server.domain.errors import BacklogFull
from reflexio_server.domain.ids import InteractionId, OrgId, new_request_id
from reflexio_server.domain.request import Publication, Publish
from reflexio_server.embed.backlog import LEASE_SECONDS, Backlog
from reflexio_server.embed.backlog_limits import BacklogLimits
from reflexio_server.publish.uninterrupted import to_its_end
from reflexio_server.store.publications import PublicationStore
from reflexio_server.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Publisher:
    """Stores publications and has them embedded."""

    store: PublicationStore
    backlog: Backlog
    limits: BacklogLimits | None = None
    """None: any number of interactions may wait for being embedded."""

    async def publish(self, org_id: OrgId, publication: Publication, *, wait: bool) -> Publish:
        """Store `publication`, or find what was stored under its key.

        Args:
            org_id: Whose it is.
            publication: What to store. Interactions without a time get the present one.
            wait: Whether to return only when everything that it causes is done.

        Raises:
            IdempotencyKeyReused: The key was used for other content.
            BacklogFull: Too much waits for being embedded; nothing was stored.
            DatabaseUnavailable: Whether it was stored is not known; repeating it under its key is safe.
        """
        try:
            self._check_backlog(org_id, publication)
        except BacklogFull:
            # A repetition adds nothing, and its caller must not believe that nothing was stored.
            publish = await self.store.find(org_id, publication)
            if publish is None:
                raise
        else:
            publish = await self.store_only(org_id, publication)
        if wait:
            await self.wait_for(org_id, publish.interaction_ids)
        return publish

    async def wait_for_room(self, org_id: OrgId, publication: Publication) -> None:
        """Return when what `publication` causes may wait, as a part of a load of very many.

        Raises:
            NotReady: The server is stopping.
        """
        if self.limits is not None:
            await self.limits.wait_for_room(org_id, publication.user_id, publication.searchable_count)

    async def store_only(self, org_id: OrgId, publication: Publication) -> Publish:
        """The same as `publish` without asking whether there is room, and without waiting for what it causes.

        Raises:
            IdempotencyKeyReused: The key was used for other content.
            DatabaseUnavailable: Whether it was stored is not known; repeating it under its key is safe.
        """
        return await to_its_end(self._store(org_id, publication), "a publish")

    async def wait_for(self, org_id: OrgId, interaction_ids: Sequence[InteractionId]) -> None:
        """Return when everything that the interactions cause is done.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            NotReady: The server is stopping.
        """
        await self.backlog.wait_for(org_id, interaction_ids)

    def _check_backlog(self, org_id: OrgId, publication: Publication) -> None:
        if self.limits is not None:
            self.limits.check(org_id, publication.user_id, publication.searchable_count)

    async def _store(self, org_id: OrgId, publication: Publication) -> Publish:
        now = time.time_ns()
        has_room = self.backlog.has_room(org_id, publication.user_id, len(publication.interactions))
        lease_seconds = LEASE_SECONDS if has_room else 0
        # Noted before it is stored: many at once must not all find room for one.
        count = publication.searchable_count
        self._note(org_id, publication, count)
        try:
            publish = await self.store.add(org_id, publication, new_request_id(), now, lease_seconds)
        except BaseException:
            self._note(org_id, publication, -count)
            raise
        if publish.repeated:
            self._note(org_id, publication, -count)
        else:
            metrics.published.add(len(publish.interaction_ids))
        if has_room and not publish.repeated:
            texts = [interaction.searchable_text for interaction in publication.interactions]
            work = [(i, text) for i, text in zip(publish.interaction_ids, texts, strict=True) if text]
            self.backlog.hand_over(org_id, publication.user_id, work)
        elif not has_room:
            self.backlog.wake()
        return publish

    def _note(self, org_id: OrgId, publication: Publication, count: int) -> None:
        if self.limits is not None:
            self.limits.accepted(org_id, publication.user_id, count)
