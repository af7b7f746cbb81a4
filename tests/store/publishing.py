"""Publications for tests of the store, and what the store holds afterwards."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from reflexio_server.domain.ids import OrgId, RequestId, SessionId, UserId, new_request_id
from reflexio_server.domain.interaction import Interaction, InteractionFilter, NewInteraction
from reflexio_server.domain.request import Publication, Publish
from reflexio_server.store import interactions
from reflexio_server.store.database import Database
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.tables import metadata
from sqlalchemy import func, select, text

EVERYTHING = 2**30
"""Bytes: more than any page of a test has."""

_moments = count(time.time_ns())


def publication(
    user_id: UserId, *said: str | NewInteraction, key: str = "", source: str = "", session_id: str = ""
) -> Publication:
    """A publication of interactions, or of texts, each a moment later than all before."""
    new = tuple(NewInteraction(content=text) if isinstance(text, str) else text for text in said)
    dated = tuple(i if i.created_at is not None else replace(i, created_at=next(_moments)) for i in new)
    content = repr((user_id, new, source, session_id)).encode()
    return Publication(
        user_id=user_id,
        interactions=dated,
        source=source,
        agent_version="agent 1",
        session_id=SessionId(session_id),
        skip_aggregation=False,
        force_extraction=False,
        idempotency_key=key,
        fingerprint=hashlib.sha256(content).digest(),
    )


async def publish(
    store: PublicationStore, org_id: OrgId, what: Publication, request_id: RequestId | None = None
) -> Publish:
    """Store a publication, as the flow does."""
    return await store.add(org_id, what, request_id or new_request_id(), next(_moments), 30)


async def all_of(
    database: Database, org_id: OrgId, user_id: UserId | None = None, *, with_images: bool = False
) -> Sequence[Interaction]:
    """All interactions, newest first."""
    async with database.autocommit(org_id) as connection:
        found, more = await interactions.newest(
            connection, org_id, user_id, InteractionFilter(), 1000, with_images=with_images, most_bytes=EVERYTHING
        )
    assert not more
    return found


async def rows(database: Database, org_id: OrgId) -> Mapping[str, int]:
    """How many rows each table has of an organisation; those without any are left out."""
    async with database.autocommit(org_id) as connection:
        counts = {
            table.name: await connection.scalar(select(func.count()).select_from(table).where(table.c.org_id == org_id))
            for table in metadata.sorted_tables
            if "org_id" in table.c
        }
    return {name: number for name, number in counts.items() if number}


_EMBED = text("""
    with taken as (
        delete from embedding_queue where org_id = :org_id returning interaction_id, user_id
    ), known as (
        insert into user_versions (org_id, user_id, version, reload_before)
        select distinct :org_id, user_id, 1, 1 from taken on conflict do nothing
    )
    insert into vectors (org_id, interaction_id, model, chunk, user_id, version, dimension, vector)
    select :org_id, interaction_id, 'model', chunk, user_id, 1, 2, '\\x00000000'
    from taken, generate_series(0, 1) as chunk
""")


async def embed(database: Database, org_id: OrgId) -> None:
    """Put vectors, two each, in the place of what is queued."""
    async with database.autocommit(org_id) as connection:
        await connection.execute(_EMBED, {"org_id": org_id})
