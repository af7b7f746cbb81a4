"""What is asked of a search, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from reflexio_server.domain.ids import UserId
from reflexio_server.domain.interaction import Interaction, InteractionFilter
from reflexio_server.search.question import NOTHING_READ, Reading
from reflexio_server.search.ranking import Parts, SearchMode


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for."""

    user_id: UserId
    text: str
    """Plain language; blank: the newest interactions."""
    where: InteractionFilter = field(default_factory=InteractionFilter)
    top_k: int = 10
    mode: SearchMode = SearchMode.HYBRID
    with_images: bool = False
    min_score: float = 0.0
    """Only what reaches this score is found."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An interaction that was found."""

    interaction: Interaction
    score: float
    """From 0 to 1; 0 where there was no query."""
    parts: Parts | None = None
    """What it is made of; None where there was no query."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found."""

    hits: Sequence[Hit]
    """Best first."""
    not_yet_embedded: int = 0
    """How many of the user's interactions could be found by their words only, because they are so new."""
    truncated: bool = False
    """Whether hits were left out because the answer would have become too large."""
    set_aside: int = 0
    """How many could be found by their words only, because the model failed on them."""
    words_only: bool = False
    """Whether nothing was compared by meaning, because the model failed on the query."""
    reading: Reading = NOTHING_READ
    """How the query was understood."""
