"""Stored interactions and requests as they come back: messages in, what users hold out."""

import base64

from reflexio._calls.publish_input import ACTIONS
from reflexio._calls.tool_data import dict_from
from reflexio.models import Interaction, Request, RequestData, ScoreExplanation, ToolUse, UserActionType
from reflexio.v1 import interaction_pb2, request_pb2

# An action that a newer server knows is none that this client can name.
ACTION_TYPES = {number: action for action, number in ACTIONS.items()}


def counted(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count} {noun}{'s' if count != 1 else ''}"


def interaction_from(
    message: interaction_pb2.Interaction, score: float | None = None, explanation: ScoreExplanation | None = None
) -> Interaction:
    """What a user gets for one stored interaction."""
    return Interaction(
        interaction_id=message.interaction_id,
        user_id=message.user_id,
        request_id=message.request_id,
        session_id=message.session_id or None,
        role=message.role,
        content=message.content,
        shadow_content=message.shadow_content,
        expert_content=message.expert_content,
        user_action=ACTION_TYPES.get(message.user_action, UserActionType.NONE),
        user_action_description=message.user_action_description,
        interacted_image_url=message.interacted_image_url,
        has_image=message.has_image,
        image_encoding=base64.b64encode(message.image.data).decode("ascii") if message.HasField("image") else "",
        tools_used=[ToolUse(tool.tool_name, dict_from(tool.tool_data)) for tool in message.tools_used],
        created_at=message.created_at.seconds,
        score=score,
        explanation=explanation,
    )


def request_data_from(message: request_pb2.PublishedRequest) -> RequestData:
    """What a user gets for one request with its interactions."""
    request = message.request
    return RequestData(
        request=Request(
            request_id=request.request_id,
            user_id=request.user_id,
            source=request.source,
            agent_version=request.agent_version,
            session_id=request.session_id or None,
            created_at=request.created_at.seconds,
        ),
        interactions=[interaction_from(interaction) for interaction in message.interactions],
    )
