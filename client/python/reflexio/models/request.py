"""What one publish stored, and the conversations that publishes form."""

from dataclasses import dataclass

from reflexio.models.interaction import Interaction


@dataclass(slots=True, kw_only=True)
class Request:
    """What is known of one publish."""

    request_id: str
    user_id: str
    source: str
    agent_version: str
    session_id: str | None
    created_at: int
    """When it was stored, in seconds since the epoch, rounded down."""

    @property
    def request_group(self) -> str | None:
        """`session_id` by its older name."""
        return self.session_id


@dataclass(slots=True, kw_only=True)
class RequestData:
    """A request and its interactions."""

    request: Request
    interactions: list[Interaction]
    """In the order in which they were published; empty when all were deleted."""


@dataclass(slots=True, kw_only=True)
class SessionData:
    """A conversation."""

    session_id: str | None
    """None for the requests that were published without a session: they stand together."""
    requests: list[RequestData]
    """Newest first."""

    @property
    def request_group(self) -> str | None:
        """`session_id` by its older name."""
        return self.session_id
