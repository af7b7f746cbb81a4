"""What is handed over: as the caller gave it, and as bytes on disk."""

import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reflexio import _calls as calls
from reflexio._calls.call import Call
from reflexio._calls.publish_input import ACTIONS
from reflexio._calls.publishing import PUBLISH
from reflexio._calls.tool_data import dict_from
from reflexio.models import InteractionData, ToolUse
from reflexio.v1 import interaction_pb2
from reflexio.v1 import interaction_service_pb2 as pb

_MOST_INTERACTIONS = 1000
_NANOS = 1_000_000_000
_USER_ACTIONS = {value: action for action, value in ACTIONS.items()}


@dataclass(frozen=True, slots=True)
class BackgroundPublish:
    """One publish, for `on_refused`: what was given where it was never taken, else what was read back from disk."""

    user_id: str
    interactions: Iterable[InteractionData | Mapping[str, Any]]
    source: str = ""
    agent_version: str = ""
    session_id: str | None = None
    skip_aggregation: bool = False
    force_extraction: bool = False
    idempotency_key: str | None = None
    handed_over_at: float | None = None
    """Seconds since the epoch; None where it was never taken."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A publish as it is spooled."""

    lane: bytes
    """The user and the session: what has the same is sent in order."""
    handed_over_at: int
    """Nanoseconds since the epoch."""
    payload: bytes
    """The request, idempotency key included."""


def encode(given: BackgroundPublish, request_group: str | None) -> Encoded:
    """Check a publish and make it independent of anything that the caller may change afterwards.

    Raises:
        InvalidArgumentError: The client can tell that no server would take it.
    """
    interactions: Any = given.interactions
    if not isinstance(interactions, (list, tuple, str, bytes, dict)) and isinstance(interactions, Iterable):
        # An endless one must not hold up the caller. The server refuses one too many.
        interactions = list(islice(interactions, _MOST_INTERACTIONS + 1))
    call = calls.publish(
        user_id=given.user_id,
        interactions=interactions,
        source=given.source,
        agent_version=given.agent_version,
        session_id=given.session_id,
        wait_for_response=False,
        skip_aggregation=given.skip_aggregation,
        force_extraction=given.force_extraction,
        request_group=request_group,
        idempotency_key=given.idempotency_key,
        endpoint_url="",
    )
    request: Any = call.request
    now = time.time_ns()
    for interaction in request.interactions:
        if not interaction.HasField("created_at"):
            interaction.created_at.seconds, interaction.created_at.nanos = divmod(now, _NANOS)
    lane = f"{request.user_id}\0{request.session_id}".encode()
    return Encoded(lane, now, request.SerializeToString())


def call_from(payload: bytes) -> Call[Any]:
    """The call that publishes what was spooled.

    Raises:
        google.protobuf.message.DecodeError: The bytes are damaged.
    """
    return Call(PUBLISH, pb.PublishInteractionsRequest.FromString(payload), read=lambda answer: answer)


def decode(payload: bytes, handed_over_at: int) -> BackgroundPublish:
    """What was handed over, from what was spooled.

    Raises:
        google.protobuf.message.DecodeError: The bytes are damaged.
    """
    request = pb.PublishInteractionsRequest.FromString(payload)
    return BackgroundPublish(
        user_id=request.user_id,
        interactions=[_interaction(message) for message in request.interactions],
        source=request.source,
        agent_version=request.agent_version,
        session_id=request.session_id or None,
        skip_aggregation=request.skip_aggregation,
        force_extraction=request.force_extraction,
        idempotency_key=request.idempotency_key,
        handed_over_at=handed_over_at / _NANOS,
    )


def _interaction(message: interaction_pb2.NewInteraction) -> InteractionData:
    return InteractionData(
        role=message.role or "User",
        content=message.content,
        shadow_content=message.shadow_content,
        expert_content=message.expert_content,
        user_action=_USER_ACTIONS.get(message.user_action, "none"),
        user_action_description=message.user_action_description,
        interacted_image_url=message.interacted_image_url,
        image_encoding=b64encode(message.image).decode(),
        tools_used=[ToolUse(tool.tool_name, dict_from(tool.tool_data)) for tool in message.tools_used],
        created_at=message.created_at.seconds + message.created_at.nanos / _NANOS,
    )
