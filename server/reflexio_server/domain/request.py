"""A request: what one publish stored, and where it came from."""

from dataclasses import dataclass
from enum import Enum, auto

from reflexio_server.domain.ids import InteractionId, RequestId, SessionId, UserId
from reflexio_server.domain.interaction import Interaction, NewInteraction

STORED_BEFORE = "stored before"
"""How the message of a publish begins that stored nothing, because its key had been used."""


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What is to become one request: all of it, or nothing."""

    user_id: UserId
    interactions: tuple[NewInteraction, ...]
    source: str
    agent_version: str
    session_id: SessionId
    skip_aggregation: bool
    force_extraction: bool

    @property
    def searchable_count(self) -> int:
        """How many of its interactions are to be embedded."""
        return sum([interaction.is_searchable for interaction in self.interactions])


@dataclass(frozen=True, slots=True)
class Publication(NewRequest):
    """What one publish asks to store."""

    idempotency_key: str
    """Empty when a repetition is to be stored again."""
    fingerprint: bytes
    """A digest of everything above but the key: tells a repetition from another publish under the same key."""


@dataclass(frozen=True, slots=True)
class Publish:
    """What became of a publication."""

    request_id: RequestId
    interaction_ids: tuple[InteractionId, ...]
    repeated: bool
    """Whether the key had been used, so that nothing was stored now."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one publish stored, without its interactions."""

    request_id: RequestId
    user_id: UserId
    source: str
    agent_version: str
    session_id: SessionId
    created_at: int
    """Nanoseconds since the epoch: when the server stored it."""


@dataclass(frozen=True, slots=True)
class PublishedRequest:
    """A request with its interactions, in the order in which they were published."""

    request: Request
    interactions: tuple[Interaction, ...]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request with everything that was published with it: what exports give and imports take."""

    request_id: RequestId
    created_at: int
    """Nanoseconds since the epoch: when the server stored it."""
    content: NewRequest
    """Each of its interactions has a time."""
    interaction_ids: tuple[InteractionId, ...]
    """Of its interactions, ascending."""
    images_omitted: frozenset[InteractionId] = frozenset()
    """Those that have an image which was left out."""


class ImportOutcome(Enum):
    """What became of one request of an import."""

    IMPORTED = auto()
    ALREADY_THERE = auto()


@dataclass(frozen=True, slots=True)
class DeletedCounts:
    """How much a delete removed."""

    requests: int = 0
    interactions: int = 0
