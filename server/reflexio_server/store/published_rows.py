"""The rows that a request with its interactions becomes: the same for what is published and for what is imported."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reflexio_server.domain.ids import InteractionId, RequestId
from reflexio_server.domain.interaction import NewInteraction, ToolUse
from reflexio_server.domain.request import NewRequest
from reflexio_server.store.text_search import document_words

REQUEST_COLUMNS = """
    org_id, request_id, user_id, source, agent_version, session_id,
    skip_aggregation, force_extraction, created_at, text_bytes, image_bytes
"""

REQUEST_VALUES = """
    :org_id, :request_id, :user_id, :source, :agent_version, :session_id,
    :skip_aggregation, :force_extraction, :now, :text_bytes, :image_bytes
"""

# Parts of a statement in which `admitted` has one row where they are to be stored, and none otherwise.
INTERACTION_ROWS = """
    interaction as (
        insert into interactions
            (org_id, interaction_id, user_id, request_id, session_id, source, role, content, shadow_content,
             expert_content, user_action, user_action_description, interacted_image_url, tools_used, has_image,
             created_at, lexemes)
        select :org_id, i.interaction_id, :user_id, :request_id, :session_id, :source,
               i.role, i.content, i.shadow_content, i.expert_content, i.user_action, i.user_action_description,
               i.interacted_image_url, i.tools_used::jsonb, i.has_image, i.created_at,
               case when i.searchable_text <> ''
                    then to_tsvector(cast(:text_search_config as regconfig), i.searchable_text) end
        from admitted, unnest(
            :interaction_ids, :roles, :contents, :shadow_contents, :expert_contents, :user_actions,
            :user_action_descriptions, :interacted_image_urls, :tools_used, :have_images, :created_ats,
            :searchable_texts
        ) as i (
            interaction_id, role, content, shadow_content, expert_content, user_action,
            user_action_description, interacted_image_url, tools_used, has_image, created_at,
            searchable_text)
    ), image as (
        insert into images (org_id, interaction_id, media_type, data)
        select :org_id, i.interaction_id, i.media_type, i.data
        from admitted, unnest(:image_ids, :image_media_types, :image_data) as i (interaction_id, media_type, data)
    ), queued as (
        insert into embedding_queue (org_id, interaction_id, user_id, leased_until)
        select :org_id, i.interaction_id, :user_id, now() + make_interval(secs => :lease_seconds)
        from admitted, unnest(:interaction_ids, :searchable_texts) as i (interaction_id, searchable_text)
        where i.searchable_text <> ''
    )
"""

ROW_TYPES = {
    "org_id": "bigint",
    "request_id": "uuid",
    "user_id": "text",
    "source": "text",
    "agent_version": "text",
    "session_id": "text",
    "skip_aggregation": "boolean",
    "force_extraction": "boolean",
    "now": "bigint",
    "text_bytes": "bigint",
    "image_bytes": "bigint",
    "text_search_config": "text",
    "lease_seconds": "float8",
    "interaction_ids": "bigint[]",
    "roles": "text[]",
    "contents": "text[]",
    "shadow_contents": "text[]",
    "expert_contents": "text[]",
    "user_actions": "smallint[]",
    "user_action_descriptions": "text[]",
    "interacted_image_urls": "text[]",
    "tools_used": "text[]",
    "have_images": "boolean[]",
    "created_ats": "bigint[]",
    "searchable_texts": "text[]",
    "image_ids": "bigint[]",
    "image_media_types": "text[]",
    "image_data": "bytea[]",
}
"""What Postgres is to take the parameters of `row_parameters` and `org_id` for."""

_OVERHEAD_BYTES = 768
"""What an interaction takes in an answer beside its own texts, at the most: ids, names and times."""


def row_parameters(
    request: NewRequest,
    request_id: RequestId,
    now: int,
    interaction_ids: Sequence[InteractionId],
    lease_seconds: float,
    text_search_config: str,
) -> Mapping[str, Any]:
    """The parameters of the statement, all but `org_id`.

    Args:
        request: What to store. Interactions without a time get `now`.
        request_id: What to call it.
        now: When it was stored: nanoseconds since the epoch.
        interaction_ids: What to call its interactions.
        lease_seconds: How long to leave the embedding to the caller, before any server may take it.
        text_search_config: The Postgres text search configuration that stems the words.
    """
    interactions = request.interactions
    images = [(i, new.image) for i, new in zip(interaction_ids, interactions, strict=True) if new.image is not None]
    tools_used = [_json(i.tools_used) for i in interactions]
    return {
        "request_id": request_id,
        "now": now,
        "user_id": request.user_id,
        "source": request.source,
        "agent_version": request.agent_version,
        "session_id": request.session_id,
        "skip_aggregation": request.skip_aggregation,
        "force_extraction": request.force_extraction,
        "text_bytes": sum(map(_text_bytes, interactions, tools_used)),
        "image_bytes": sum(len(image.data) for _, image in images),
        "text_search_config": text_search_config,
        "lease_seconds": lease_seconds,
        "interaction_ids": list(interaction_ids),
        "roles": [i.role for i in interactions],
        "contents": [i.content for i in interactions],
        "shadow_contents": [i.shadow_content for i in interactions],
        "expert_contents": [i.expert_content for i in interactions],
        "user_actions": [i.user_action.value for i in interactions],
        "user_action_descriptions": [i.user_action_description for i in interactions],
        "interacted_image_urls": [i.interacted_image_url for i in interactions],
        "tools_used": tools_used,
        "have_images": [i.image is not None for i in interactions],
        "created_ats": [i.created_at if i.created_at is not None else now for i in interactions],
        "searchable_texts": [document_words(i.searchable_text) for i in interactions],
        "image_ids": [i for i, _ in images],
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
    # One text instead of seven: that is all of what this takes.
    return _OVERHEAD_BYTES + len("".join(texts).encode())
