"""What was worked out of recent queries."""

from typing import Generic, TypeVar

from cachetools import LRUCache

from reflexio_server.domain.ids import OrgId

V = TypeVar("V")

_MOST = 1024
_LONGEST = 1024
"""Of how many queries something is kept, and how many characters they have at most."""


class RecentQueries(Generic[V]):
    """Keeps one value for each query, those of the queries that were asked last.

    Of each organisation by itself: how soon an answer comes tells nobody what others asked.
    """

    def __init__(self) -> None:
        self._values: LRUCache[tuple[OrgId | None, str], V] = LRUCache(_MOST)

    def __len__(self) -> int:
        """Of how many queries something is kept."""
        return len(self._values)

    def get(self, org_id: OrgId | None, text: str) -> V | None:
        """What is kept of a query; None where nothing is."""
        return self._values.get((org_id, text))

    def keep(self, org_id: OrgId | None, text: str, value: V) -> None:
        """Keep a value, unless the query is too long."""
        if len(text) <= _LONGEST:
            self._values[org_id, text] = value
