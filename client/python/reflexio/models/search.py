"""What to search for."""

from dataclasses import dataclass
from datetime import datetime

from reflexio.models._enums import CaselessEnum


class SearchMode(CaselessEnum):
    """How interactions are compared with a query."""

    VECTOR = "vector"
    """By meaning."""
    FTS = "fts"
    """By words."""
    HYBRID = "hybrid"
    """By both: each candidate is scored by both, and the scores are added."""


@dataclass(slots=True, kw_only=True)
class SearchInteractionsRequest:
    """A search as a value. A dict with some of these keys does as well."""

    user_id: str | None = None
    """Whose interactions are searched. Required."""
    query: str | None = None
    """A question or a few words. None: the newest interactions, newest first."""
    request_id: str | None = None
    """Only those of this publish."""
    session_id: str | None = None
    """Only those of this session."""
    start_time: int | float | datetime | None = None
    """Only those that happened then or later."""
    end_time: int | float | datetime | None = None
    """Only those that happened then or earlier; an int means all of that second."""
    top_k: int | None = None
    """How many to return at most. None means 10."""
    most_recent_k: int | None = None
    """Only the user's so many newest interactions, counted before the other conditions."""
    search_mode: SearchMode | str = SearchMode.HYBRID
    role: str | None = None
    """Only those of this role, letter for letter."""
    source: str | None = None
    """Only those published with this source, letter for letter."""
    include_images: bool = False
    """Whether to return images too."""
    min_score: float | None = None
    """Only what reaches this score, so that a query that nothing fits can find nothing. In a hybrid search 0.15
    loses few right answers, and 0.25 lets few wrong ones through but loses many right ones; docs/search-quality.md has
    the rates."""
    explain: bool = False
    """Whether to say what each score is made of, and how the query was understood."""


@dataclass(slots=True, kw_only=True)
class QueryInterpretation:
    """How a query was understood."""

    roles: list[str]
    """The roles that it names, of those that occur in the user's interactions."""
    spans: list[tuple[datetime, datetime]]
    """The days that it names, each as its beginning, and its end, which does not belong to it; in UTC. For a date
    without a year those of the last years."""
