"""Pages of lists whose items have numbers and are listed in the order of these."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reflexio_server.domain.ids import InteractionId, OrgId
from reflexio_server.rpc.pages import query_of
from reflexio_server.search.page_token import interaction_position, token_behind

T = TypeVar("T")

_PAGE_SIZE = 100
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class NumberedPage(Generic[T]):
    """Where a page begins and how long it is."""

    query: bytes
    size: int
    last: int | None
    """The number of the last item of the page before; None for the first page."""

    @classmethod
    def asked_for(cls, org_id: OrgId, request: Any) -> "NumberedPage[T]":
        """The page that a request asks for.

        Raises:
            InvalidPageToken: The token is not ours, or belongs to another list.
        """
        query = query_of(org_id, request)
        position = interaction_position(request.page_token, query)
        return cls(query, request.page_size or _PAGE_SIZE, None if position is None else position[1])

    @property
    def after(self) -> int:
        """The number behind which a list begins that goes upwards."""
        return self.last or 0

    @property
    def before(self) -> int:
        """The number before which a list begins that goes downwards."""
        return _LARGEST if self.last is None else self.last

    @property
    def limit(self) -> int:
        """How many to look for: one more than fit, to know whether more follow."""
        return self.size + 1

    def cut(self, found: Sequence[T], number: Callable[[T], int]) -> tuple[Sequence[T], str]:
        """What belongs on the page, and the token of the next one; empty where this is the last."""
        items = found[: self.size]
        more = len(found) > self.size
        return items, token_behind((0, InteractionId(number(items[-1]))), self.query) if more else ""
