"""Between the records of exports and imports and what the server works with."""

from reflexio.v1 import data_service_pb2 as pb
from reflexio.v1 import interaction_pb2

from reflexio_server.domain.errors import InvalidFields
from reflexio_server.domain.ids import NO_REQUEST, InteractionId, SessionId, UserId, request_id_from
from reflexio_server.domain.interaction import NewInteraction
from reflexio_server.domain.request import NewRequest, RequestRecord
from reflexio_server.rpc.translate import new_interaction_from, timestamp_to, tool_to
from reflexio_server.validate import rules
from reflexio_server.validate.content import ContentRules


async def record_from(message: pb.RequestRecord, content_rules: ContentRules) -> RequestRecord:
    """The request in a message of an import.

    Raises:
        InvalidFields: A rule is broken that the contract cannot state.
    """
    request_id = request_id_from(message.request_id)
    if request_id == NO_REQUEST:
        raise InvalidFields.one("request.request_id", "request_id.not_nil", "must not be all zeros")
    stored_at = rules.moment("request.created_at", message.created_at.seconds, message.created_at.nanos)
    rules.not_ahead("request.created_at", stored_at)
    found: list[NewInteraction] = []
    last = 0
    for index, interaction in enumerate(message.interactions):
        field = f"request.interactions[{index}]"
        if interaction.interaction_id <= last:
            raise InvalidFields.one(
                f"{field}.interaction_id", "interaction_id.ascending", "must be larger than the one before"
            )
        last = interaction.interaction_id
        found.append(await new_interaction_from(field, interaction, content_rules))
    content = NewRequest(
        user_id=UserId(message.user_id),
        interactions=tuple(found),
        source=message.source,
        agent_version=message.agent_version,
        session_id=SessionId(message.session_id),
        skip_aggregation=message.skip_aggregation,
        force_extraction=message.force_extraction,
    )
    ids = tuple(InteractionId(interaction.interaction_id) for interaction in message.interactions)
    return RequestRecord(request_id, stored_at, content, ids)


def record_to(record: RequestRecord) -> pb.RequestRecord:
    """The message of a request in an export."""
    content = record.content
    return pb.RequestRecord(
        request_id=str(record.request_id),
        user_id=content.user_id,
        source=content.source,
        agent_version=content.agent_version,
        session_id=content.session_id,
        skip_aggregation=content.skip_aggregation,
        force_extraction=content.force_extraction,
        created_at=timestamp_to(record.created_at),
        interactions=[
            _interaction_to(interaction_id, interaction, image_omitted=interaction_id in record.images_omitted)
            for interaction_id, interaction in zip(record.interaction_ids, content.interactions, strict=True)
        ],
    )


def _interaction_to(
    interaction_id: InteractionId, interaction: NewInteraction, *, image_omitted: bool
) -> pb.InteractionRecord:
    message = pb.InteractionRecord(
        interaction_id=interaction_id,
        role=interaction.role,
        content=interaction.content,
        shadow_content=interaction.shadow_content,
        expert_content=interaction.expert_content,
        user_action=interaction_pb2.UserAction.ValueType(interaction.user_action),
        user_action_description=interaction.user_action_description,
        interacted_image_url=interaction.interacted_image_url,
        image_omitted=image_omitted,
        tools_used=[tool_to(tool) for tool in interaction.tools_used],
    )
    if interaction.created_at is not None:
        message.created_at.CopyFrom(timestamp_to(interaction.created_at))
    if interaction.image is not None:
        message.image, message.image_media_type = interaction.image.data, interaction.image.media_type
    return message
