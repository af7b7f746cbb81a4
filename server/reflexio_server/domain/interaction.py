"""An interaction: one thing that a user or an agent said or did."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from reflexio_server.domain.ids import InteractionId, RequestId, SessionId, UserId

DEFAULT_ROLE = "User"

Position = tuple[int, InteractionId]
"""A place in the order of time: when, in nanoseconds since the epoch, and which of those at that moment."""


def searchable_text(role: str, content: str, user_action_description: str) -> str:
    """What of an interaction is embedded and searched; empty when no query can find it.

    The speaker is part of it: who said something is part of what people ask for, and on annotated conversations
    it raised the recall of a small model by half.
    """
    if not user_action_description.strip():
        return f"{role}: {content}" if content.strip() else ""
    return f"{role}: {content}\n{user_action_description}" if content.strip() else f"{role}: {user_action_description}"


class UserAction(IntEnum):
    """What a user did in an application's interface. Values are those of `reflexio.v1.UserAction`."""

    NONE = 1
    CLICK = 2
    SCROLL = 3
    TYPE = 4


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One call of a tool that an agent made."""

    tool_name: str
    tool_data: Mapping[str, Any]
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, its format verified."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """An interaction that is to be stored."""

    role: str = DEFAULT_ROLE
    content: str = ""
    shadow_content: str = ""
    expert_content: str = ""
    user_action: UserAction = UserAction.NONE
    user_action_description: str = ""
    interacted_image_url: str = ""
    image: Image | None = None
    tools_used: tuple[ToolUse, ...] = ()
    created_at: int | None = None
    """Nanoseconds since the epoch; None stands for the moment at which it is stored."""

    @property
    def searchable_text(self) -> str:
        """What is embedded and searched; empty when no query can find the interaction."""
        return searchable_text(self.role, self.content, self.user_action_description)

    @property
    def is_searchable(self) -> bool:
        """Whether there is anything to be embedded and searched."""
        return bool(self.content.strip() or self.user_action_description.strip())


class Interaction(NamedTuple):
    """An interaction as it was stored. A tuple, because lists make thousands of them at once."""

    interaction_id: InteractionId
    user_id: UserId
    request_id: RequestId
    session_id: SessionId
    role: str
    content: str
    shadow_content: str
    expert_content: str
    user_action: UserAction
    user_action_description: str
    interacted_image_url: str
    tools_used: tuple[ToolUse, ...]
    created_at: int
    """Nanoseconds since the epoch."""
    has_image: bool
    image: Image | None = None
    """Filled only where it was asked for."""


@dataclass(frozen=True, slots=True)
class InteractionFilter:
    """Which interactions of a user to consider. All conditions that are given must hold."""

    request_id: RequestId | None = None
    session_id: SessionId | None = None
    start_time: int | None = None
    """Nanoseconds since the epoch, inclusive."""
    end_time: int | None = None
    """Nanoseconds since the epoch, inclusive."""
    role: str | None = None
    source: str | None = None
    most_recent_k: int | None = None
    """Only the user's so many newest, counted before the other conditions."""
