"""Storing a publication: one statement, so that it is one round trip, one transaction, and whole or not at all."""

import json
from dataclasses import dataclass

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Boolean, LargeBinary, SmallInteger, Text

from reflexio_server.domain.errors import IdempotencyKeyReused
from reflexio_server.domain.ids import InteractionId, OrgId, RequestId
from reflexio_server.domain.interaction import NewInteraction, ToolUse
from reflexio_server.domain.request import Publication, Publish
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.text_search import plain_words

# Whoever inserts the key first goes on; the others wait for its commit, insert nothing and read its answer.
_INSERT = text("""
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
        insert into requests
            (org_id, request_id, user_id, source, agent_version, session_id,
             skip_aggregation, force_extraction, created_at, text_bytes, image_bytes)
        select :org_id, :request_id, :user_id, :source, :agent_version, :session_id,
               :skip_aggregation, :force_extraction, :now, :text_bytes, :image_bytes
        from admitted
    ), interaction as (
        insert into interactions
            (org_id, interaction_id, user_id, request_id, session_id, source, role, content, shadow_content,
             expert_content, user_action, user_action_description, interacted_image_url, tools_used, has_image,
             created_at, lexemes)
        select :org_id, :first_interaction_id + i.position - 1, :user_id, :request_id, :session_id, :source,
               i.role, i.content, i.shadow_content, i.expert_content, i.user_action, i.user_action_description,
               i.interacted_image_url, i.tools_used::jsonb, i.has_image, i.created_at,
               case when i.searchable_text <> ''
                    then to_tsvector(cast(:text_search_config as regconfig), i.searchable_text) end
        from admitted, unnest(
            :roles, :contents, :shadow_contents, :expert_contents, :user_actions, :user_action_descriptions,
            :interacted_image_urls, :tools_used, :have_images, :created_ats, :searchable_texts
        ) with ordinality as i (
            role, content, shadow_content, expert_content, user_action, user_action_description,
            interacted_image_url, tools_used, has_image, created_at, searchable_text, position)
    ), image as (
        insert into images (org_id, interaction_id, media_type, data)
        select :org_id, :first_interaction_id + i.offset_, i.media_type, i.data
        from admitted, unnest(:image_offsets, :image_media_types, :image_data) as i (offset_, media_type, data)
    ), queued as (
        insert into embedding_queue (org_id, interaction_id, user_id, leased_until)
        select :org_id, :first_interaction_id + i.position - 1, :user_id,
               now() + make_interval(secs => :lease_seconds)
        from admitted, unnest(:searchable_texts) with ordinality as i (searchable_text, position)
        where i.searchable_text <> ''
    )
    select count(*) from admitted
""").bindparams(
    bindparam("org_id", type_=BigInteger),
    bindparam("key", type_=Text),
    bindparam("first_interaction_id", type_=BigInteger),
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in (
            "roles",
            "contents",
            "shadow_contents",
            "expert_contents",
            "user_action_descriptions",
            "interacted_image_urls",
            "tools_used",
            "searchable_texts",
            "image_media_types",
        )
    ),
    bindparam("user_actions", type_=ARRAY(SmallInteger)),
    bindparam("have_images", type_=ARRAY(Boolean)),
    bindparam("created_ats", type_=ARRAY(BigInteger)),
    bindparam("image_offsets", type_=ARRAY(SmallInteger)),
    bindparam("image_data", type_=ARRAY(LargeBinary)),
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

_OVERHEAD_BYTES = 768
"""What an interaction takes in an answer beside its own texts, at the most: ids, names and times."""

KEY_LIFETIME_DAYS = 7
"""How long a publish can be repeated under its key; the contract names it."""


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
        first_id = await self.interaction_ids.take(len(publication.interactions))
        parameters = {
            "org_id": org_id,
            "request_id": request_id,
            "now": now,
            "first_interaction_id": first_id,
            "lease_seconds": lease_seconds,
            "text_search_config": self.text_search_config,
            **_parameters(publication),
        }
        async with self.database.autocommit() as connection:
            stored = (await connection.execute(_INSERT, parameters)).scalar_one()
            if stored:
                count = len(publication.interactions)
                return Publish(request_id, _ids(first_id, count), repeated=False)
            key = {"org_id": org_id, "key": publication.idempotency_key}
            first = (await connection.execute(_FIRST_ANSWER, key)).one()
        # Of a user who was erased no fingerprint is left: whatever comes under the key is taken for the repetition.
        if first.fingerprint and first.fingerprint != publication.fingerprint:
            raise IdempotencyKeyReused(publication.idempotency_key)
        return Publish(first.request_id, _ids(first.first_interaction_id, first.interactions_count), repeated=True)

    async def forget_old_keys(self) -> None:
        """Delete keys that are older than the contract keeps them, a portion at a time."""
        async with self.database.autocommit() as connection:
            while (await connection.execute(_FORGET_KEYS, {"days": KEY_LIFETIME_DAYS})).rowcount:
                pass


def _ids(first_id: int, count: int) -> tuple[InteractionId, ...]:
    return tuple(InteractionId(first_id + offset) for offset in range(count))


def _parameters(publication: Publication) -> dict[str, object]:
    interactions = publication.interactions
    images = [(offset, i.image) for offset, i in enumerate(interactions) if i.image is not None]
    tools_used = [_json(i.tools_used) for i in interactions]
    return {
        "user_id": publication.user_id,
        "source": publication.source,
        "agent_version": publication.agent_version,
        "session_id": publication.session_id,
        "skip_aggregation": publication.skip_aggregation,
        "force_extraction": publication.force_extraction,
        "text_bytes": sum(map(_text_bytes, interactions, tools_used)),
        "image_bytes": sum(len(image.data) for _, image in images),
        "key": publication.idempotency_key,
        "fingerprint": publication.fingerprint,
        "roles": [i.role for i in interactions],
        "contents": [i.content for i in interactions],
        "shadow_contents": [i.shadow_content for i in interactions],
        "expert_contents": [i.expert_content for i in interactions],
        "user_actions": [i.user_action.value for i in interactions],
        "user_action_descriptions": [i.user_action_description for i in interactions],
        "interacted_image_urls": [i.interacted_image_url for i in interactions],
        "tools_used": tools_used,
        "have_images": [i.image is not None for i in interactions],
        "created_ats": [i.created_at for i in interactions],
        "searchable_texts": [plain_words(i.searchable_text) for i in interactions],
        "image_offsets": [offset for offset, _ in images],
        "image_media_types": [image.media_type for _, image in images],
        "image_data": [image.data for _, image in images],
    }


def _json(tools_used: tuple[ToolUse, ...]) -> str | None:
    if not tools_used:
        return None
    return json.dumps([{"tool_name": tool.tool_name, "tool_data": tool.tool_data} for tool in tools_used])


def _text_bytes(interaction: NewInteraction, tools_used: str | None) -> int:
    texts = (
        interaction.role,
        interaction.content,
        interaction.shadow_content,
        interaction.expert_content,
        interaction.user_action_description,
        interaction.interacted_image_url,
        tools_used or "",
    )
    return _OVERHEAD_BYTES + sum(len(text.encode()) for text in texts)
