"""The SQL that a call needs at the least, straight through asyncpg, and the messages that its answer is made of."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from google.protobuf.timestamp_pb2 import Timestamp
from reflexio.v1 import interaction_pb2, request_pb2, request_service_pb2, session_pb2
from reflexio_server.access.caller import LOCAL_CALLER

_ORG_ID = LOCAL_CALLER.org_id
_SECOND = 10**9

_INTERACTION = """
    interaction_id, user_id, request_id, session_id, role, content, shadow_content, expert_content, user_action,
    user_action_description, interacted_image_url, has_image, created_at
"""

_BY_ID = f"select {_INTERACTION} from interactions where org_id = $1 and interaction_id = any($2)"

_REQUESTS = """
    select request_id, user_id, source, agent_version, session_id, created_at from requests
    where org_id = $1 and user_id = $2 order by created_at desc, request_id desc limit $3
"""

_OF_REQUESTS = f"""
    select {_INTERACTION} from interactions where org_id = $1 and request_id = any($2) order by interaction_id
"""

_SESSION = "r.org_id = $1 and r.session_id = $2 and r.session_id <> ''"

# The rows of a session, found the shortest way, without any care for those who look meanwhile.
_DELETE_SESSION = [
    *(
        f"""delete from {name} d using interactions i, requests r
        where {_SESSION} and i.org_id = $1 and i.request_id = r.request_id
        and d.org_id = $1 and d.interaction_id = i.interaction_id"""
        for name in ("vectors", "images", "embedding_queue")
    ),
    f"delete from interactions i using requests r where {_SESSION} and i.org_id = $1 and i.request_id = r.request_id",
    f"delete from requests r where {_SESSION}",
]


async def interactions_by_id(connection: asyncpg.Connection, ids: Sequence[int]) -> list[interaction_pb2.Interaction]:
    """Interactions, as messages."""
    return [_interaction(row) for row in await connection.fetch(_BY_ID, _ORG_ID, ids)]


async def list_requests(connection: asyncpg.Connection, user_id: str, limit: int) -> bytes:
    """The newest requests of a user with their interactions: the bytes of a `ListRequestsResponse`."""
    requests = await connection.fetch(_REQUESTS, _ORG_ID, user_id, limit)
    belonging: dict[UUID, list[interaction_pb2.Interaction]] = {row["request_id"]: [] for row in requests}
    for row in await connection.fetch(_OF_REQUESTS, _ORG_ID, list(belonging)):
        belonging[row["request_id"]].append(_interaction(row))
    sessions: dict[str, list[request_pb2.PublishedRequest]] = {}
    for row in requests:
        request = request_pb2.Request(
            request_id=str(row["request_id"]),
            user_id=row["user_id"],
            source=row["source"],
            agent_version=row["agent_version"],
            session_id=row["session_id"],
            created_at=_timestamp(row["created_at"]),
        )
        published = request_pb2.PublishedRequest(request=request, interactions=belonging[row["request_id"]])
        sessions.setdefault(row["session_id"], []).append(published)
    answer = request_service_pb2.ListRequestsResponse(
        sessions=[session_pb2.Session(session_id=name, requests=published) for name, published in sessions.items()]
    )
    return answer.SerializeToString()


async def delete_session(connection: asyncpg.Connection, session_id: str) -> None:
    """Delete a session, in one transaction."""
    async with connection.transaction():
        for statement in _DELETE_SESSION:
            await connection.execute(statement, _ORG_ID, session_id)


def _interaction(row: asyncpg.Record) -> interaction_pb2.Interaction:
    return interaction_pb2.Interaction(
        interaction_id=row["interaction_id"],
        user_id=row["user_id"],
        request_id=str(row["request_id"]),
        session_id=row["session_id"],
        role=row["role"],
        content=row["content"],
        shadow_content=row["shadow_content"],
        expert_content=row["expert_content"],
        user_action=row["user_action"],
        user_action_description=row["user_action_description"],
        interacted_image_url=row["interacted_image_url"],
        has_image=row["has_image"],
        created_at=_timestamp(row["created_at"]),
    )


def _timestamp(nanoseconds: int) -> Timestamp:
    seconds, nanos = divmod(nanoseconds, _SECOND)
    return Timestamp(seconds=seconds, nanos=nanos)
