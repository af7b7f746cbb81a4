"""Reading requests together with their interactions."""

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reflexio_server.domain.ids import OrgId, RequestId, SessionId, UserId
from reflexio_server.domain.interaction import Interaction
from reflexio_server.domain.request import PublishedRequest, Request
from reflexio_server.store import interactions
from reflexio_server.store.direct import DirectConnection
from reflexio_server.store.statement import Statement

_TYPES = {
    "org_id": "bigint",
    "user_id": "text",
    "request_id": "uuid",
    "session_id": "text",
    "start_time": "bigint",
    "end_time": "bigint",
    "after_time": "bigint",
    "after_id": "uuid",
    "skip": "bigint",
    "count": "bigint",
}

_CONDITIONS = {
    "user_id": "user_id = :user_id",
    "request_id": "request_id = :request_id",
    "session_id": "session_id = :session_id",
    "start_time": "created_at >= :start_time",
    "end_time": "created_at <= :end_time",
    "after_time": "(created_at, request_id) < (:after_time, :after_id)",
}
"""What requests must fulfil, where these parameters are given."""

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
    connection: DirectConnection,
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
    given: dict[str, Any] = {
        "user_id": where.user_id,
        "request_id": where.request_id,
        "session_id": where.session_id,
        "start_time": where.start_time,
        "end_time": where.end_time,
        "after_time": after[0] if after is not None else None,
        "after_id": after[1] if after is not None else None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    statement = _page(tuple(given), with_images=with_images)
    arguments = statement.arguments({**given, "org_id": org_id, "skip": skip, "count": limit + 1})
    rows = await connection.fetch(statement.sql, *arguments)
    found: list[Request] = []
    total = 0
    for row in rows[:limit]:
        *values, size = row
        total += size
        if found and total > most_bytes:
            break
        found.append(Request(*values))
    belonging: dict[RequestId, list[Interaction]] = defaultdict(list)
    ids = [request.request_id for request in found]
    for interaction in await interactions.of_requests(connection, org_id, ids, with_images=with_images):
        belonging[interaction.request_id].append(interaction)
    page = [PublishedRequest(request, tuple(belonging[request.request_id])) for request in found]
    return page, len(rows) > len(page)


@functools.cache
def _page(given: tuple[str, ...], *, with_images: bool) -> Statement:
    """The statement that reads a page; there are as many as there are ways to ask."""
    conditions = " and ".join(["org_id = :org_id", *(_CONDITIONS[name] for name in given if name in _CONDITIONS)])
    size = "text_bytes + image_bytes" if with_images else "text_bytes"
    return Statement(
        f"""
        select request_id, user_id, source, agent_version, session_id, created_at, {size} from requests
        where {conditions} order by created_at desc, request_id desc offset :skip limit :count
        """,  # noqa: S608 -- what is put in are constants.
        _TYPES,
    )
