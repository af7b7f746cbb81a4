"""What a server says of itself and of its caller."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class WhoAmI:
    """Whose data the client sees, and what it may do."""

    organization_id: int
    organization_name: str
    role: str
    """`reader`, `member` or `admin`."""


@dataclass(slots=True, kw_only=True)
class ServerInfo:
    """What the server is, and how much work it has before it."""

    version: str
    embedding_model: str
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
