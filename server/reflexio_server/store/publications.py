"""Storing a publication: one statement, so that it is one round trip, one transaction, and whole or not at all."""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import text

from reflexio_server.domain.errors import IdempotencyKeyReused
from reflexio_server.domain.ids import InteractionId, OrgId, RequestId
from reflexio_server.domain.request import Publication, Publish
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import DuplicateKey, retried
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.published_rows import (
    INTERACTION_ROWS,
    REQUEST_COLUMNS,
    REQUEST_VALUES,
    ROW_TYPES,
    row_parameters,
)
from reflexio_server.store.reach import Purpose
from reflexio_server.store.statement import Statement

# Whoever inserts the key first goes on; the others wait for its commit, insert nothing and read its answer.
_INSERT = Statement(
    f"""
    with key as (
        insert into idempotency_keys
            (org_id, idempotency_key, request_id, user_id, fingerprint, first_interaction_id, interactions_count)
        select :org_id, :key, :request_id, :user_id, :fingerprint, :first_interaction_id, cardinality(:roles)
        where :key <> ''
        on conflict do nothing
        returning 1
    ), admitted as (
        select where :key = '' or exists (select from key)
    ), request as (
        insert into requests ({REQUEST_COLUMNS})
        select {REQUEST_VALUES} from admitted
    ), {INTERACTION_ROWS}
    select count(*) from admitted
    """,  # noqa: S608 -- what is put in are constants.
    {**ROW_TYPES, "key": "text", "fingerprint": "bytea", "first_interaction_id": "bigint"},
)

_FIRST_ANSWER = text("""
    select request_id, fingerprint, first_interaction_id, interactions_count
    from idempotency_keys where org_id = :org_id and idempotency_key = :key
""")

_FORGET_KEYS = text("""
    delete from idempotency_keys where (org_id, idempotency_key) in (
        select org_id, idempotency_key from idempotency_keys
        where created_at < now() - make_interval(days => :days) order by created_at limit 10000)
""")

KEY_LIFETIME_DAYS = 7
"""How long a publish can be repeated under its key; the contract names it."""

_MOST_BLOCKS_TAKEN = 10
"""How often to draw other ids when an import has used those at hand: it can be that quick once, not ten times."""


@dataclass(frozen=True, slots=True)
class PublicationStore:
    """Writes publications and remembers their idempotency keys."""

    database: Database
    interaction_ids: InteractionIds
    text_search_config: str

    async def add(
        self, org_id: OrgId, publication: Publication, request_id: RequestId, now: int, lease_seconds: float
    ) -> Publish:
        """Store `publication` as request `request_id`, or find what was stored under its key.

        When this returns, the publication is durable.

        Args:
            org_id: Whose it is.
            publication: What to store.
            request_id: What to call it, if it is new.
            now: Nanoseconds since the epoch.
            lease_seconds: How long to leave the embedding to the caller, before any server may take it.

        Raises:
            IdempotencyKeyReused: The key was used for other content.
            DatabaseUnavailable: Whether it was stored is not known; repeating it under its key is safe.
        """
        add = partial(self._add, org_id, publication, request_id, now, lease_seconds)
        for _ in range(_MOST_BLOCKS_TAKEN - 1):
            first_id = await self.interaction_ids.take(len(publication.interactions))
            try:
                return await retried(partial(add, first_id))
            except DuplicateKey:
                self.interaction_ids.give_up(first_id)
        first_id = await self.interaction_ids.take(len(publication.interactions))
        return await retried(partial(add, first_id))

    async def _add(
        self,
        org_id: OrgId,
        publication: Publication,
        request_id: RequestId,
        now: int,
        lease_seconds: float,
        first_id: int,
    ) -> Publish:
        ids = _ids(first_id, len(publication.interactions))
        rows = row_parameters(publication, request_id, now, ids, lease_seconds, self.text_search_config)
        parameters = {
            "org_id": org_id,
            "key": publication.idempotency_key,
            "fingerprint": publication.fingerprint,
            "first_interaction_id": first_id,
            **rows,
        }
        async with self.database.direct(org_id) as connection:
            stored = await connection.fetchval(_INSERT.sql, *_INSERT.arguments(parameters))
        if stored:
            return Publish(request_id, ids, repeated=False)
        found = await self.find(org_id, publication)
        if found is None:
            message = "an idempotency key was forgotten in the moment in which it was used"
            raise RuntimeError(message)
        return found

    async def find(self, org_id: OrgId, publication: Publication) -> Publish | None:
        """What was stored under the key of `publication`; None when nothing was, or it has no key.

        Raises:
            IdempotencyKeyReused: The key was used for other content.
            DatabaseUnavailable: Postgres cannot be reached.
        """
        if not publication.idempotency_key:
            return None
        key = {"org_id": org_id, "key": publication.idempotency_key}
        async with self.database.autocommit(org_id) as connection:
            first = (await connection.execute(_FIRST_ANSWER, key)).one_or_none()
        if first is None:
            return None
        # Of a user who was erased no fingerprint is left: whatever comes under the key is taken for the repetition.
        if first.fingerprint and first.fingerprint != publication.fingerprint:
            raise IdempotencyKeyReused(publication.idempotency_key)
        return Publish(first.request_id, _ids(first.first_interaction_id, first.interactions_count), repeated=True)

    async def forget_old_keys(self) -> None:
        """Delete keys that are older than the contract keeps them, a portion at a time."""
        async with self.database.autocommit(Purpose.HOUSEKEEPING) as connection:
            while (await connection.execute(_FORGET_KEYS, {"days": KEY_LIFETIME_DAYS})).rowcount:
                pass


def _ids(first_id: int, count: int) -> tuple[InteractionId, ...]:
    return tuple(InteractionId(first_id + offset) for offset in range(count))
