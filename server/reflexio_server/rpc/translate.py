"""Between the messages of the contract and what the server works with."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict

from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from reflexio.v1 import (
    data_service_pb2,
    interaction_pb2,
    interaction_service_pb2,
    request_pb2,
    request_service_pb2,
    session_pb2,
)

from reflexio_server.domain.errors import InvalidFields
from reflexio_server.domain.ids import SessionId, UserId, request_id_from
from reflexio_server.domain.interaction import (
    DEFAULT_ROLE,
    Interaction,
    InteractionFilter,
    NewInteraction,
    ToolUse,
    UserAction,
)
from reflexio_server.domain.request import Publication, PublishedRequest, Request
from reflexio_server.search.query import Hit
from reflexio_server.search.question import Reading
from reflexio_server.validate import rules
from reflexio_server.validate.content import ContentRules

_QUICKLY_READ_BYTES = 16_384
"""Of tool data in a message: reading so many takes about a millisecond."""

_WIRE_BYTES_A_BYTE = 8
"""What is so many times larger in a message than it may be as JSON is too large: of "[0,0,…]" a number takes 2 bytes
there, 11 here."""


async def publication_from(
    request: interaction_service_pb2.PublishInteractionsRequest, content_rules: ContentRules
) -> Publication:
    """What a publish asks to store.

    Raises:
        InvalidFields: A rule is broken that the contract cannot state.
    """
    content_rules.interactions("interactions", len(request.interactions))
    key = request.idempotency_key
    return Publication(
        user_id=UserId(request.user_id),
        interactions=tuple(
            [
                await new_interaction_from(f"interactions[{index}]", interaction, content_rules)
                for index, interaction in enumerate(request.interactions)
            ]
        ),
        source=request.source,
        agent_version=request.agent_version,
        session_id=SessionId(request.session_id),
        skip_aggregation=request.skip_aggregation,
        force_extraction=request.force_extraction,
        idempotency_key=key,
        fingerprint=_fingerprint(request) if key else b"",
    )


def _fingerprint(request: interaction_service_pb2.PublishInteractionsRequest) -> bytes:
    """A digest of what is to be stored. A repetition may wait where the first try did not."""
    bare = interaction_service_pb2.PublishInteractionsRequest()
    bare.CopyFrom(request)
    bare.ClearField("idempotency_key")
    bare.ClearField("wait_for_response")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).digest()


async def new_interaction_from(
    field: str,
    interaction: interaction_pb2.NewInteraction | data_service_pb2.InteractionRecord,
    content_rules: ContentRules,
) -> NewInteraction:
    """What is to be stored of an interaction; `field` is where it stands in the request.

    Raises:
        InvalidFields: A rule is broken that the contract cannot state.
    """
    created_at = None
    if interaction.HasField("created_at"):
        when = f"{field}.created_at"
        moment = rules.moment(when, interaction.created_at.seconds, interaction.created_at.nanos)
        created_at = rules.not_ahead(when, moment)
    return NewInteraction(
        role=interaction.role or DEFAULT_ROLE,
        content=interaction.content,
        shadow_content=interaction.shadow_content,
        expert_content=interaction.expert_content,
        user_action=UserAction(interaction.user_action or UserAction.NONE),
        user_action_description=interaction.user_action_description,
        interacted_image_url=rules.http_url(f"{field}.interacted_image_url", interaction.interacted_image_url),
        image=await content_rules.images.check(f"{field}.image", interaction.image) if interaction.image else None,
        tools_used=await _tools_beside(f"{field}.tools_used", interaction.tools_used, content_rules),
        created_at=created_at,
    )


async def _tools_beside(
    field: str, tools: Sequence[interaction_pb2.ToolUse], content_rules: ContentRules
) -> tuple[ToolUse, ...]:
    """The tools of an interaction, read where that does not hold up others: a large Struct takes a while."""
    size = sum(tool.ByteSize() for tool in tools)
    if size > _WIRE_BYTES_A_BYTE * content_rules.most_tool_bytes:
        content_rules.tools_size(field, size)
    if size > _QUICKLY_READ_BYTES:
        return await asyncio.to_thread(_tools_from, field, tools, content_rules)
    return _tools_from(field, tools, content_rules)


def _tools_from(
    field: str, tools: Sequence[interaction_pb2.ToolUse], content_rules: ContentRules
) -> tuple[ToolUse, ...]:
    size = 0
    found: list[ToolUse] = []
    for index, tool in enumerate(tools):
        where = f"{field}[{index}].tool_data"
        try:
            data = MessageToDict(tool.tool_data)
        except (SerializeToJsonError, ValueError):  # Which of them depends on where in the object the number stands.
            raise InvalidFields.one(where, "struct.number", "must not contain NaN or infinity") from None
        size += rules.json_object(where, data, content_rules.deepest_tool_data)
        found.append(ToolUse(tool.tool_name, data))
    content_rules.tools_size(field, size)
    return tuple(found)


def filter_from(message: interaction_pb2.InteractionFilter) -> InteractionFilter:
    """Which interactions to consider; an empty condition is none.

    Raises:
        InvalidFields: A time is no time, or the times are reversed.
    """
    start_time, end_time = span_from(message, "filter.")
    return InteractionFilter(
        request_id=request_id_from(message.request_id) if message.request_id else None,
        session_id=SessionId(message.session_id) if message.session_id else None,
        start_time=start_time,
        end_time=end_time,
        role=message.role or None,
        source=message.source or None,
        most_recent_k=message.most_recent_k if message.HasField("most_recent_k") else None,
    )


def span_from(
    message: interaction_pb2.InteractionFilter | request_service_pb2.ListRequestsRequest, prefix: str = ""
) -> tuple[int | None, int | None]:
    """The start and end time of a message, in nanoseconds since the epoch.

    Raises:
        InvalidFields: A time is no time, or they are reversed.
    """
    start = end = None
    if message.HasField("start_time"):
        start = rules.bound(f"{prefix}start_time", message.start_time.seconds, message.start_time.nanos)
    if message.HasField("end_time"):
        end = rules.bound(f"{prefix}end_time", message.end_time.seconds, message.end_time.nanos)
    rules.in_order(f"{prefix}end_time", start, end)
    return start, end


def interaction_to(interaction: Interaction) -> interaction_pb2.Interaction:
    """The message of an interaction."""
    message = interaction_pb2.Interaction()
    _fill(message, interaction)
    return message


def _fill(message: interaction_pb2.Interaction, interaction: Interaction) -> None:
    """Write an interaction into its message, in its place: a list of thousands takes half as long that way."""
    message.interaction_id = interaction.interaction_id
    message.user_id = interaction.user_id
    message.request_id = str(interaction.request_id)
    message.session_id = interaction.session_id
    message.role = interaction.role
    message.content = interaction.content
    message.user_action = interaction_pb2.UserAction.ValueType(interaction.user_action)
    message.has_image = interaction.has_image
    message.created_at.seconds, message.created_at.nanos = divmod(interaction.created_at, rules.SECOND)
    # What most interactions do not have.
    if interaction.shadow_content:
        message.shadow_content = interaction.shadow_content
    if interaction.expert_content:
        message.expert_content = interaction.expert_content
    if interaction.user_action_description:
        message.user_action_description = interaction.user_action_description
    if interaction.interacted_image_url:
        message.interacted_image_url = interaction.interacted_image_url
    if interaction.image is not None:
        message.image.data, message.image.media_type = interaction.image.data, interaction.image.media_type
    if interaction.tools_used:
        message.tools_used.extend(tool_to(tool) for tool in interaction.tools_used)


def hit_to(hit: Hit, *, explained: bool) -> interaction_service_pb2.SearchHit:
    """The message of what a search found."""
    parts = hit.parts if explained else None
    return interaction_service_pb2.SearchHit(
        interaction=interaction_to(hit.interaction),
        score=hit.score,
        explanation=interaction_service_pb2.ScoreExplanation(**asdict(parts)) if parts is not None else None,
    )


def interpretation_to(reading: Reading) -> interaction_service_pb2.QueryInterpretation:
    """The message of how a query was understood."""
    spans = [
        interaction_service_pb2.TimeSpan(start_time=timestamp_to(span.start), end_time=timestamp_to(span.end))
        for span in reading.spans
    ]
    return interaction_service_pb2.QueryInterpretation(roles=reading.roles, spans=spans)


def timestamp_to(nanoseconds: int) -> Timestamp:
    """The message of a moment, given in nanoseconds since the epoch."""
    seconds, nanos = divmod(nanoseconds, rules.SECOND)
    return Timestamp(seconds=seconds, nanos=nanos)


def requests_to(published: Sequence[PublishedRequest], token: str) -> request_service_pb2.ListRequestsResponse:
    """A page of requests, grouped by session, sessions in the order of their first request."""
    response = request_service_pb2.ListRequestsResponse(next_page_token=token)
    sessions: dict[str, session_pb2.Session] = {}
    for entry in published:
        session_id = entry.request.session_id
        session = sessions.get(session_id)
        if session is None:
            session = sessions[session_id] = response.sessions.add(session_id=session_id)
        message = session.requests.add()
        _fill_request(message.request, entry.request)
        for interaction in entry.interactions:
            _fill(message.interactions.add(), interaction)
    return response


def _fill_request(message: request_pb2.Request, request: Request) -> None:
    message.request_id = str(request.request_id)
    message.user_id = request.user_id
    message.source = request.source
    message.agent_version = request.agent_version
    message.session_id = request.session_id
    message.created_at.seconds, message.created_at.nanos = divmod(request.created_at, rules.SECOND)


def tool_to(tool: ToolUse) -> interaction_pb2.ToolUse:
    """The message of a tool call."""
    data = Struct()
    data.update(tool.tool_data)
    return interaction_pb2.ToolUse(tool_name=tool.tool_name, tool_data=data)
