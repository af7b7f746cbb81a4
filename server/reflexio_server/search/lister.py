"""Listing in order of time, by pages that are bounded in count and in bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import Interaction, InteractionFilter
from reflexio_server.domain.request import PublishedRequest
from reflexio_server.search import page_token
from reflexio_server.store import interactions, requests
from reflexio_server.store.database import Database

PAGE_BYTES = 3 * 1024 * 1024
"""Texts and images of one page: with what is around them it stays below the 4 MiB that gRPC clients accept unasked."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list to return."""

    size: int
    token: str
    query: bytes
    """Everything that determines the list, as bytes: the token is bound to it."""
    skip: int = 0
    with_images: bool = False


@dataclass(frozen=True, slots=True)
class Lister:
    """Reads lists."""

    database: Database

    async def interactions(
        self, org_id: OrgId, user_id: UserId | None, where: InteractionFilter, page: Page
    ) -> tuple[Sequence[Interaction], str]:
        """A page of interactions, newest first, and the token of the next; empty when there is none.

        Raises:
            InvalidPageToken: The token is not ours, or belongs to another query.
            DatabaseUnavailable: Postgres cannot be reached.
        """
        after = page_token.interaction_position(page.token, page.query)
        async with self.database.autocommit(org_id) as connection:
            found, more = await interactions.newest(
                connection,
                org_id,
                user_id,
                where,
                page.size,
                after=after,
                with_images=page.with_images,
                most_bytes=PAGE_BYTES,
            )
        if not more:
            return found, ""
        return found, page_token.token_behind((found[-1].created_at, found[-1].interaction_id), page.query)

    async def requests(
        self, org_id: OrgId, where: requests.RequestFilter, page: Page
    ) -> tuple[Sequence[PublishedRequest], str]:
        """A page of requests, newest first, and the token of the next; empty when there is none.

        Raises:
            InvalidPageToken: The token is not ours, or belongs to another query.
            DatabaseUnavailable: Postgres cannot be reached.
        """
        after = page_token.request_position(page.token, page.query)
        async with self.database.direct(org_id) as connection:
            found, more = await requests.newest(
                connection,
                org_id,
                where,
                page.size,
                after=after,
                skip=page.skip,
                with_images=page.with_images,
                most_bytes=PAGE_BYTES,
            )
        if not more:
            return found, ""
        last = found[-1].request
        return found, page_token.token_behind((last.created_at, last.request_id), page.query)
