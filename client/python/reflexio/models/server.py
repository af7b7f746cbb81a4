"""What a server says of itself and of its caller."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class WhoAmI:
    """Whose data the client sees, and what it may do."""

    organization_id: int
    organization_name: str
    role: str
    """`reader`, `member` or `admin`."""
    account_email: str | None = None
    """The address of the account; None where the call needs none, as without authentication."""
    api_key_id: int | None = None
    """The number of the key with which the client calls."""
    certificate_uri: str | None = None
    """The URI of the client's certificate, where that stood for a key."""


@dataclass(slots=True, kw_only=True)
class SetAsideInteraction:
    """An interaction that the embedding model failed on: it can be found by its words only."""

    user_id: str
    interaction_id: int
    reason: str
    """What the model said to it."""


@dataclass(slots=True, kw_only=True)
class Reindex:
    """The change to another embedding model."""

    embedding_model: str
    """The model that is changed to."""
    state: str
    """`building`, or `complete` when it is the active one."""
    done_count: int
    """How many interactions it has been over, of all organisations."""
    total_count: int
    """How many there are to go over; it may still grow."""
    failed_count: int
    """On how many of them the model failed."""
    started_at: int
    """When it began: seconds since the epoch."""


@dataclass(slots=True, kw_only=True)
class CancelReindexResponse:
    """No other embedding model is being changed to any more."""

    success: bool = True
    embedding_model: str | None = None
    """The model that was being changed to; None where no change was under way."""


@dataclass(slots=True, kw_only=True)
class ServerInfo:
    """What the server is, and how much work it has before it."""

    version: str
    embedding_model: str
    """The active one: queries and interactions are embedded with it."""
    embedding_dimension: int
    storage_type: str
    """`postgres` or `embedded-postgres`."""
    storage_label: str
    """Which storage, for people; never a secret."""
    max_message_bytes: int
    """How large one request may be."""
    embedding_backlog_count: int
    """Interactions of the organisation that wait for being embedded. They can be found all the same."""
    embedding_set_aside_count: int
    """Those among them on which the model failed. They can be found by their words only."""
    configured_embedding_model: str = ""
    """What the server's settings name; where it is another than the active one, `start_reindex` changes to it."""
    reindex: Reindex | None = None
    """The change to another embedding model that is under way."""
    newest_set_aside: list[SetAsideInteraction] = field(default_factory=list)
    """The newest of those that the model failed on, ten at most."""
    oldest_waiting_seconds: float | None = None
    """For how long the oldest that waits for being embedded has waited; None where none does."""
    index_memory_bytes: int = 0
    """How much memory of the replica that answered the organisation's vectors and words take."""
    index_users_count: int = 0
    """For how many of the organisation's users it has them in memory."""
