"""Interactions as users give them: dicts or objects in, `NewInteraction` out."""

import binascii
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from reflexio._calls.fields import choice, optional_text, refuse_unknown, several, text, wrong_type
from reflexio._calls.timestamps import timestamp
from reflexio._calls.tool_data import struct_from
from reflexio.errors import invalid_argument
from reflexio.models import InteractionData, ToolUse, UserActionType
from reflexio.v1 import interaction_pb2 as pb

ACTIONS = {
    UserActionType.NONE: pb.USER_ACTION_NONE,
    UserActionType.CLICK: pb.USER_ACTION_CLICK,
    UserActionType.SCROLL: pb.USER_ACTION_SCROLL,
    UserActionType.TYPE: pb.USER_ACTION_TYPE,
}

INTERACTION_KEYS = tuple(field.name for field in fields(InteractionData))
_TOOL_KEYS = tuple(field.name for field in fields(ToolUse))
_TEXTS = (
    "role",
    "content",
    "shadow_content",
    "expert_content",
    "user_action_description",
    "interacted_image_url",
)
_DATA_URL = re.compile(r"data:[^,]{0,256};base64,", re.IGNORECASE)


def new_interactions(given: Any) -> list[pb.NewInteraction]:
    """Translate what `publish_interaction` was given.

    Raises:
        InvalidArgumentError: It has unknown keys, or values of wrong types; the message says which and where.
    """
    items = several("interactions", given, "dict or InteractionData")
    return [new_interaction(f"interactions[{index}]", item) for index, item in enumerate(items)]


def new_interaction(where: str, item: Any) -> pb.NewInteraction:
    """Translate one of them; `where` is how it is called in errors."""
    values = _values(where, item, InteractionData, INTERACTION_KEYS)
    message = pb.NewInteraction()
    for key in _TEXTS:
        setattr(message, key, optional_text(f"{where}.{key}", values.get(key)))
    if (action := values.get("user_action")) is not None:
        message.user_action = ACTIONS[choice(f"{where}.user_action", action, UserActionType)]
    if (image := values.get("image_encoding")) not in (None, ""):
        message.image = _image(f"{where}.image_encoding", image)
    if (tools := values.get("tools_used")) is not None:
        name = f"{where}.tools_used"
        for index, tool in enumerate(several(name, tools, "dict or ToolUse")):
            message.tools_used.append(_tool_use(f"{name}[{index}]", tool))
    if (created_at := values.get("created_at")) is not None:
        message.created_at.CopyFrom(timestamp(f"{where}.created_at", created_at))
    return message


def _tool_use(where: str, item: Any) -> pb.ToolUse:
    values = _values(where, item, ToolUse, _TOOL_KEYS)
    message = pb.ToolUse(tool_name=optional_text(f"{where}.tool_name", values.get("tool_name")))
    if (data := values.get("tool_data")) is not None:
        message.tool_data.CopyFrom(struct_from(f"{where}.tool_data", data))
    return message


def _values(where: str, item: Any, kind: type, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if isinstance(item, kind):
        return {key: getattr(item, key) for key in keys}
    if not isinstance(item, Mapping):
        raise wrong_type(where, f"a dict or {kind.__name__}", item)
    refuse_unknown(where, item, keys)
    return item


def _image(name: str, given: Any) -> bytes:
    if isinstance(given, (bytes, bytearray, memoryview)):
        raise invalid_argument(name, "must be base64 text: base64.b64encode(data).decode()")
    encoded = text(name, given)
    if prefix := _DATA_URL.match(encoded):
        encoded = encoded[prefix.end() :]
    elif encoded[:5].lower() == "data:":
        raise invalid_argument(name, "is a data URL, but not one in base64")
    try:
        data = _decode(encoded)
    except ValueError as error:
        raise invalid_argument(name, "is not base64") from error
    if not data:
        raise invalid_argument(name, "is base64 of nothing")
    return data


def _decode(encoded: str) -> bytes:
    # Mail programs and the base64 command break lines.
    if any(space in encoded for space in " \t\r\n"):
        encoded = "".join(encoded.split())
    return binascii.a2b_base64(encoded, strict_mode=True)
