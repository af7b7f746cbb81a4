"""Reading requests together with their interactions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from reflexio_server.domain.ids import OrgId, RequestId, SessionId, UserId
from reflexio_server.domain.interaction import Interaction
from reflexio_server.domain.request import PublishedRequest, Request
from reflexio_server.store import interactions
from reflexio_server.store.tables import requests

_COLUMNS = (
    requests.c.request_id,
    requests.c.user_id,
    requests.c.source,
    requests.c.agent_version,
    requests.c.session_id,
    requests.c.created_at,
)

RequestPosition = tuple[int, RequestId]
"""A place in the order of time: when a request was stored, and which of those at that moment."""


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests to consider. All conditions that are given must hold."""

    user_id: UserId | None = None
    request_id: RequestId | None = None
    session_id: SessionId | None = None
    start_time: int | None = None
    """Nanoseconds since the epoch, inclusive."""
    end_time: int | None = None
    """Nanoseconds since the epoch, inclusive."""


async def newest(
    connection: AsyncConnection,
    org_id: OrgId,
    where: RequestFilter,
    limit: int,
    *,
    after: RequestPosition | None = None,
    skip: int = 0,
    with_images: bool = False,
    most_bytes: int,
) -> tuple[Sequence[PublishedRequest], bool]:
    """Requests with their interactions, the newest request first, and whether more follow.

    Args:
        connection: Where to read.
        org_id: Whose.
        where: Which to consider.
        limit: How many requests at most.
        after: Go on behind this position.
        skip: How many requests to pass over from there.
        with_images: Whether to read images too.
        most_bytes: Stop before texts and images together exceed this, but not before the first request.
    """
    table = requests.c
    conditions: list[Any] = [table.org_id == org_id]
    if where.user_id is not None:
        conditions.append(table.user_id == where.user_id)
    if where.request_id is not None:
        conditions.append(table.request_id == where.request_id)
    if where.session_id is not None:
        conditions.append(table.session_id == where.session_id)
    if where.start_time is not None:
        conditions.append(table.created_at >= where.start_time)
    if where.end_time is not None:
        conditions.append(table.created_at <= where.end_time)
    if after is not None:
        conditions.append(tuple_(table.created_at, table.request_id) < tuple_(*after))
    size = table.text_bytes + table.image_bytes if with_images else table.text_bytes
    query = (
        select(*_COLUMNS, size.label("size"))
        .where(*conditions)
        .order_by(table.created_at.desc(), table.request_id.desc())
        .offset(skip)
        .limit(limit + 1)
    )
    rows = (await connection.execute(query)).all()
    found: list[Request] = []
    total = 0
    for row in rows[:limit]:
        total += row.size
        if found and total > most_bytes:
            break
        found.append(Request(*row[:-1]))
    belonging: dict[RequestId, list[Interaction]] = defaultdict(list)
    ids = [request.request_id for request in found]
    for interaction in await interactions.of_requests(connection, org_id, ids, with_images=with_images):
        belonging[interaction.request_id].append(interaction)
    page = [PublishedRequest(request, tuple(belonging[request.request_id])) for request in found]
    return page, len(rows) > len(page)
