"""What erasing a user and importing say of what they did."""

from dataclasses import dataclass
from enum import StrEnum

from reflexio.errors import ReflexioError


class ImportOutcome(StrEnum):
    """What became of one record of an import."""

    IMPORTED = "imported"
    ALREADY_THERE = "already_there"
    """A request of this id, user, session and time was there; nothing was changed."""
    REFUSED = "refused"


@dataclass(slots=True, kw_only=True)
class ImportResult:
    """What became of one record of an import."""

    outcome: ImportOutcome
    request_id: str
    """The id that the record has; empty where it has none."""
    interactions_count: int = 0
    """How many interactions were stored now."""
    error: ReflexioError | None = None
    """Why it was refused; None unless it was."""


@dataclass(slots=True, kw_only=True)
class EraseUserResponse:
    """Everything of the user is gone."""

    success: bool = True
    message: str = ""
    deleted_requests_count: int
    deleted_interactions_count: int
