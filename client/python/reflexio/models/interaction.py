"""One thing that was said or done: as it is published, and as it comes back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reflexio.models._enums import CaselessEnum
from reflexio.models._shown import Shown


class UserActionType(CaselessEnum):
    """What a user did in an application's interface."""

    NONE = "none"
    CLICK = "click"
    SCROLL = "scroll"
    TYPE = "type"


@dataclass(slots=True)
class ToolUse:
    """One call of a tool that an agent made."""

    tool_name: str
    tool_data: dict[str, Any] = field(default_factory=dict)
    """What went in and came out: anything that JSON has. Whole numbers come back as int, also when they were float."""


@dataclass(slots=True, kw_only=True)
class InteractionData:
    """An interaction to be published. A dict with some of these keys does as well.

    It must carry something: a text, an action, an image, an image's URL or a tool. None is the same as leaving out.
    """

    role: str = "User"
    """Who spoke or acted, in the application's own words."""
    content: str = ""
    """What was said: stored, embedded, searched."""
    shadow_content: str = ""
    """Another agent's answer to the same turn, kept for comparison; not searched."""
    expert_content: str = ""
    """What an expert would have answered; not searched."""
    user_action: UserActionType | str = UserActionType.NONE
    """Names and values in any case."""
    user_action_description: str = ""
    """Searched together with `content`."""
    interacted_image_url: str = ""
    """An http or https URL. It is not fetched."""
    image_encoding: str = ""
    """A PNG, JPEG, GIF or WebP file in base64, also as a `data:` URL."""
    tools_used: Sequence[ToolUse | Mapping[str, Any]] = field(default_factory=list)
    created_at: int | float | datetime | None = None
    """When it happened: seconds since the epoch, or a datetime (local time when naive). None means now."""


@dataclass(slots=True, kw_only=True)
class PublishData:
    """One publish of many: the arguments of `publish_interaction`. A dict with some of these keys does as well."""

    user_id: str
    interactions: Iterable[InteractionData | Mapping[str, Any]]
    source: str = ""
    agent_version: str = ""
    session_id: str | None = None
    wait_for_response: bool = False
    skip_aggregation: bool = False
    force_extraction: bool = False
    request_group: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True, kw_only=True)
class ScoreExplanation:
    """What each part gave to a score. They add up to it."""

    words: float
    """Having words of the query, rare ones counting for more, in itself or in what was said around it."""
    meaning: float
    """Being near to the query in meaning, together with what was said just before and after."""
    role: float
    """Being said by a role that the query names."""
    time: float
    """Being said at a time that the query names."""
    statement: float
    """Stating something: a question is seldom an answer."""


@dataclass(slots=True, kw_only=True, repr=False)
class Interaction(Shown):
    """An interaction as it was stored."""

    interaction_id: int
    user_id: str
    request_id: str
    """The publish that it was part of."""
    session_id: str | None
    role: str
    content: str
    shadow_content: str
    expert_content: str
    user_action: UserActionType
    user_action_description: str
    interacted_image_url: str
    has_image: bool
    """Whether an image was published with it."""
    image_encoding: str
    """The image in base64; empty unless there is one and the call asked for images."""
    tools_used: list[ToolUse]
    created_at: int
    """When it happened, in seconds since the epoch, rounded down."""
    score: float | None = None
    """How well it fits the query, from 0 to 1, higher is better; scores of different queries in the same mode compare.
    0 without a query. None where nothing was searched."""
    explanation: ScoreExplanation | None = None
    """What the score is made of. None unless the search asked for it."""
