"""Records of exports and imports: dicts that JSON can hold on one side, `RequestRecord` on the other."""

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from reflexio._calls.fields import INT64_MAX, flag, integer, optional_text, refuse_unknown, several, text, wrong_type
from reflexio._calls.publish_input import INTERACTION_KEYS, new_interaction
from reflexio._calls.results import ACTION_TYPES
from reflexio._calls.timestamps import timestamp
from reflexio._calls.tool_data import dict_from
from reflexio.errors import invalid_argument
from reflexio.models import UserActionType
from reflexio.v1 import data_service_pb2 as pb

_TEXTS = ("source", "agent_version", "session_id")
_FLAGS = ("skip_aggregation", "force_extraction")
_KEYS = ("request_id", "user_id", "created_at", "interactions", *_TEXTS, *_FLAGS)
_OWN_KEYS = ("interaction_id", "image_media_type", "image_omitted")


def record_from(message: pb.RequestRecord) -> dict[str, Any]:
    """What a user gets for one request of an export."""
    return {
        "request_id": message.request_id,
        "user_id": message.user_id,
        "session_id": message.session_id or None,
        "source": message.source,
        "agent_version": message.agent_version,
        "skip_aggregation": message.skip_aggregation,
        "force_extraction": message.force_extraction,
        "created_at": message.created_at.ToJsonString(),
        "interactions": [_interaction_from(interaction) for interaction in message.interactions],
    }


def record_to(record: Any) -> pb.RequestRecord:
    """The message of what a user gives to an import.

    Raises:
        InvalidArgumentError: It has unknown keys, or values of wrong types; the message says which and where.
    """
    if not isinstance(record, Mapping):
        raise wrong_type("record", "a dict", record)
    refuse_unknown("", record, _KEYS)
    message = pb.RequestRecord(
        request_id=text("request_id", record.get("request_id")), user_id=text("user_id", record.get("user_id"))
    )
    for key in _TEXTS:
        setattr(message, key, optional_text(key, record.get(key)))
    for key in _FLAGS:
        setattr(message, key, flag(key, record.get(key, False)))
    message.created_at.CopyFrom(_moment("created_at", record.get("created_at")))
    for index, interaction in enumerate(several("interactions", record.get("interactions", ()), "dict")):
        message.interactions.append(_interaction_to(f"interactions[{index}]", interaction))
    return message


def _interaction_from(message: pb.InteractionRecord) -> dict[str, Any]:
    return {
        "interaction_id": message.interaction_id,
        "role": message.role,
        "content": message.content,
        "shadow_content": message.shadow_content,
        "expert_content": message.expert_content,
        "user_action": ACTION_TYPES.get(message.user_action, UserActionType.NONE).value,
        "user_action_description": message.user_action_description,
        "interacted_image_url": message.interacted_image_url,
        "image_encoding": base64.b64encode(message.image).decode("ascii"),
        "image_media_type": message.image_media_type,
        "image_omitted": message.image_omitted,
        "tools_used": [
            {"tool_name": tool.tool_name, "tool_data": dict_from(tool.tool_data)} for tool in message.tools_used
        ],
        "created_at": message.created_at.ToJsonString(),
    }


def _interaction_to(where: str, given: Any) -> pb.InteractionRecord:
    if not isinstance(given, Mapping):
        raise wrong_type(where, "a dict", given)
    refuse_unknown(where, given, (*_OWN_KEYS, *INTERACTION_KEYS))
    published = {key: value for key, value in given.items() if key not in {*_OWN_KEYS, "created_at"}}
    message = pb.InteractionRecord(
        interaction_id=integer(f"{where}.interaction_id", given.get("interaction_id"), INT64_MAX),
        image_media_type=optional_text(f"{where}.image_media_type", given.get("image_media_type")),
        image_omitted=flag(f"{where}.image_omitted", given.get("image_omitted", False)),
        created_at=_moment(f"{where}.created_at", given.get("created_at")),
    )
    for field, value in new_interaction(where, published).ListFields():
        if field.name == "tools_used":
            message.tools_used.extend(value)
        else:
            setattr(message, field.name, value)
    return message


def _moment(name: str, value: Any) -> Timestamp:
    """A time as exports write it, or as everything else takes it."""
    if not isinstance(value, str):
        return timestamp(name, value)
    moment = Timestamp()
    try:
        moment.FromJsonString(value)
    except ValueError as error:
        raise invalid_argument(name, f"is no time in RFC 3339: {error}") from error
    return moment
