"""What the client's methods return.

`success` is always True: what fails raises a `ReflexioError`. It is there for programs that were written to look at it.
"""

from dataclasses import dataclass, field

from reflexio.models._shown import Shown
from reflexio.models.interaction import Interaction
from reflexio.models.request import SessionData
from reflexio.models.search import QueryInterpretation


@dataclass(slots=True, kw_only=True, repr=False)
class PublishUserInteractionResponse(Shown):
    """The interactions are stored. Everything after `warnings` is None unless the call waited."""

    success: bool = True
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    """What was accepted but may not be what was meant."""
    request_id: str | None = None
    """The request that the publish became."""
    interaction_ids: list[int] | None = None
    """Of its interactions, in the order in which they were given."""
    endpoint_url: str | None = None
    """The endpoint that this client talks to."""
    storage_type: str | None = None
    """`postgres` or `embedded-postgres`."""
    storage_label: str | None = None
    """Which storage, for people; never a secret."""
    profiles_added: int | None = None
    profiles_updated: int | None = None
    playbooks_added: int | None = None
    playbooks_updated: int | None = None


@dataclass(slots=True, kw_only=True, repr=False)
class SearchInteractionsResponse(Shown):
    """What was found."""

    success: bool = True
    interactions: list[Interaction]
    """Best first, each with its `score`; newest first where there was no query."""
    msg: str = ""
    not_yet_embedded_count: int = 0
    """How many of the user's interactions were so new that they could be found by their words only."""
    truncated: bool = False
    """Whether some were left out because the answer would have become too large: ask for fewer, or without images."""
    set_aside_count: int = 0
    """How many of the user's interactions the embedding model failed on: they could be found by their words only."""
    words_only: bool = False
    """Whether a hybrid search compared words only, because the embedding model failed on the query."""
    interpretation: QueryInterpretation | None = None
    """How the query was understood. None unless the search asked for it."""


@dataclass(slots=True, kw_only=True, repr=False)
class GetInteractionsResponse(Shown):
    """A user's interactions, newest first."""

    success: bool = True
    interactions: list[Interaction]
    msg: str = ""


@dataclass(slots=True, kw_only=True, repr=False)
class GetInteractionsViewResponse(Shown):
    """Interactions of every user, newest first."""

    success: bool = True
    interactions: list[Interaction]
    msg: str = ""


@dataclass(slots=True, kw_only=True, repr=False)
class GetRequestsResponse(Shown):
    """Requests by session."""

    success: bool = True
    sessions: list[SessionData]
    """In the order of their newest request."""
    has_more: bool
    """Whether there are older requests than these."""
    msg: str = ""

    @property
    def request_groups(self) -> list[SessionData]:
        """`sessions` by its older name: the same list."""
        return self.sessions


@dataclass(slots=True, kw_only=True, repr=False)
class DeleteInteractionResponse(Shown):
    """The interaction is gone."""

    success: bool = True
    message: str = ""
    deleted_interactions_count: int | None = None
    """1, or 0 when there was none. None unless the call waited."""


@dataclass(slots=True, kw_only=True, repr=False)
class DeleteRequestResponse(Shown):
    """The request is gone. The counts are None unless the call waited."""

    success: bool = True
    message: str = ""
    deleted_requests_count: int | None = None
    """1, or 0 when there was none."""
    deleted_interactions_count: int | None = None


@dataclass(slots=True, kw_only=True, repr=False)
class DeleteSessionResponse(Shown):
    """The session is gone. The counts are None unless the call waited."""

    success: bool = True
    message: str = ""
    deleted_requests_count: int | None = None
    """0 when there was no such session."""
    deleted_interactions_count: int | None = None


@dataclass(slots=True, kw_only=True, repr=False)
class DeleteRequestsByIdsResponse(Shown):
    """The requests are gone."""

    success: bool = True
    message: str = ""
    deleted_count: int
    """How many of the named requests existed."""
    deleted_interactions_count: int


@dataclass(slots=True, kw_only=True, repr=False)
class DeleteAllInteractionsResponse(Shown):
    """Every request and interaction is gone."""

    success: bool = True
    message: str = ""
    deleted_requests_count: int
    deleted_interactions_count: int
