"""The floor: a bare grpc.aio server that does with asyncpg what a publish and a search cannot do without.

    python -m benchmarks.floor SERVICE_URL OWN_URL

A publish inserts a request and its interactions in one transaction, into tables of the service's own making in the
database at OWN_URL. A search fetches ten of the user's interactions by their keys from the service's database. No
interceptors, no validation, no ranking, no repeated calls recognised.
"""

import asyncio
import signal
import sys
import time
import uuid
from itertools import count
from random import Random
from typing import Any

import asyncpg
import grpc
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1 import interaction_service_pb2_grpc as rpc
from reflexio_server.access.caller import LOCAL_CALLER

from benchmarks.bare_sql import interactions_by_id
from benchmarks.database import pool
from benchmarks.filling import WORDS, WORDS_COLUMN

_ORG_ID = LOCAL_CALLER.org_id
_CONNECTIONS = 10
_FOUND = 10

_IDS = "select interaction_id from interactions where org_id = $1 and user_id = $2 limit 100000"

_INSERT_REQUEST = """
    insert into requests (org_id, request_id, user_id, source, agent_version, session_id, skip_aggregation,
                          force_extraction, created_at, text_bytes, image_bytes)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)
"""

_INSERT_INTERACTIONS = f"""
    insert into interactions (org_id, interaction_id, user_id, request_id, session_id, source, role, content,
                              shadow_content, expert_content, user_action, user_action_description,
                              interacted_image_url, tools_used, has_image, created_at, {WORDS_COLUMN})
    select $1, id, $2, $3, $4, $5, role, content, '', '', 1, '', '', null, false, $9, {WORDS.format(text="content")}
    from unnest($6::bigint[], $7::text[], $8::text[]) as i (id, role, content)
"""


class Floor(rpc.InteractionServiceServicer):
    """Answers publishes and searches."""

    def __init__(self, read: asyncpg.Pool, written: asyncpg.Pool) -> None:
        self._read = read
        self._written = written
        self._ids = count(1)
        self._of_user: dict[str, list[int]] = {}
        self._chance = Random(1)

    async def PublishInteractions(  # noqa: N802 -- the proto names it.
        self, request: pb.PublishInteractionsRequest, context: Any
    ) -> pb.PublishInteractionsResponse:
        """Insert a request and its interactions, and commit."""
        said, now, request_id = request.interactions, time.time_ns(), uuid.uuid4()
        size = sum(len(interaction.content) for interaction in said)
        async with self._written.acquire() as connection, connection.transaction():
            await connection.execute(
                _INSERT_REQUEST,
                _ORG_ID,
                request_id,
                request.user_id,
                request.source,
                request.agent_version,
                request.session_id,
                request.skip_aggregation,
                request.force_extraction,
                now,
                size,
            )
            await connection.execute(
                _INSERT_INTERACTIONS,
                _ORG_ID,
                request.user_id,
                request_id,
                request.session_id,
                request.source,
                [next(self._ids) for _ in said],
                [interaction.role for interaction in said],
                [interaction.content for interaction in said],
                now,
            )
        return pb.PublishInteractionsResponse(message=f"stored {len(said)} interactions")

    async def SearchInteractions(  # noqa: N802 -- the proto names it.
        self, request: pb.SearchInteractionsRequest, context: Any
    ) -> pb.SearchInteractionsResponse:
        """Fetch ten interactions of the user, by their keys."""
        async with self._read.acquire() as connection:
            ids = self._of_user.get(request.user_id)
            if ids is None:
                rows = await connection.fetch(_IDS, _ORG_ID, request.user_id)
                ids = self._of_user[request.user_id] = [row["interaction_id"] for row in rows]
            found = await interactions_by_id(connection, self._chance.sample(ids, _FOUND))
        hits = [pb.SearchHit(interaction=interaction, score=0.5) for interaction in found]
        return pb.SearchInteractionsResponse(hits=hits)


async def serve(service_url: str, own_url: str) -> None:
    """Answer calls until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with pool(service_url, _CONNECTIONS) as read, pool(own_url, _CONNECTIONS) as written:
        server = grpc.aio.server()
        rpc.add_InteractionServiceServicer_to_server(Floor(read, written), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(f"listening on 127.0.0.1:{port}", flush=True)
        await ended.wait()
        await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
