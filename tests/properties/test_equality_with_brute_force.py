"""After any history, on any replica, a search gives what a plain computation over Postgres gives.

Two servers share a database: one keeps partitions in memory, the other drops each after use. Operations go to either
at random, and every answer is compared with numpy over the rows that Postgres holds at that moment.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import numpy as np
import pytest
import reflexio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from tests.contracts.context import Turn, similarities
from tests.fakes.embedder import FakeEmbedder
from tests.running import Postgres, RunningServer, running_server

_WORDS = ["river", "boat", "anchor", "harbour", "storm", "lantern", "ledger", "invoice", "refund", "parcel", "tulip"]
_ROLES = ("User", "Agent")
_SESSIONS = ("", "alpha", "beta")
_SOURCES = ("web", "phone")
_START = datetime(2024, 1, 1, tzinfo=UTC)

_queries = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6).map(" ".join)
_texts = _queries | st.just(" ".join(_WORDS * 40))
_interactions = st.fixed_dictionaries(
    {"role": st.sampled_from(_ROLES), "content": _texts, "hour": st.integers(0, 50)},
)
_operations = st.one_of(
    st.tuples(
        st.just("publish"),
        st.lists(_interactions, min_size=1, max_size=4),
        st.sampled_from(_SESSIONS),
        st.sampled_from(_SOURCES),
    ),
    st.tuples(st.just("interaction"), st.integers(0, 1000)),
    st.tuples(st.just("request"), st.integers(0, 1000)),
    st.tuples(st.just("session"), st.sampled_from(_SESSIONS[1:])),
    st.tuples(st.just("restart")),
)
_filters = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(_ROLES),
        "session_id": st.sampled_from(_SESSIONS[1:]),
        "source": st.sampled_from(_SOURCES),
        "start_time": st.integers(0, 50).map(lambda hour: _START + timedelta(hours=hour)),
        "end_time": st.integers(0, 50).map(lambda hour: _START + timedelta(hours=hour)),
        "most_recent_k": st.integers(1, 20),
    },
).filter(lambda f: not {"start_time", "end_time"} <= f.keys() or f["start_time"] <= f["end_time"])


@dataclass
class Replicas:
    """Two servers on one database, each with a client."""

    database_url: str
    servers: list[RunningServer] = field(default_factory=list)
    clients: list[reflexio.ReflexioClient] = field(default_factory=list)
    stacks: list[ExitStack] = field(default_factory=list)

    def start(self, number: int) -> None:
        stack = ExitStack()
        server = stack.enter_context(running_server(self.database_url))
        if number == 1:
            server.app._index._memory_bytes = 0
        client = stack.enter_context(reflexio.ReflexioClient(url_endpoint=server.url))
        self.servers[number : number + 1], self.clients[number : number + 1] = [server], [client]
        self.stacks[number : number + 1] = [stack]

    def restart(self, number: int) -> None:
        self.stacks[number].close()
        self.start(number)


@pytest.fixture(scope="module")
def replicas(postgres: Postgres) -> Iterator[Replicas]:
    started = Replicas(postgres.new_database())
    started.start(0)
    started.start(1)
    yield started
    for stack in started.stacks:
        stack.close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    history=st.lists(
        st.tuples(_operations, st.integers(0, 1), _queries, st.just({}) | _filters, st.integers(1, 12)),
        min_size=4,
        max_size=16,
    )
)
def test_every_answer_equals_brute_force(replicas: Replicas, history: list[Any]) -> None:
    user_id = f"user-{uuid4()}"
    for (operation, *arguments), number, query, filters, top_k in history:
        client = replicas.clients[number]
        if operation == "publish":
            _publish(client, user_id, *arguments)
        elif operation == "restart":
            replicas.restart(number)
        else:
            _delete(client, user_id, operation, *arguments)
        for replica in replicas.clients:
            _compare(replica, replicas.database_url, user_id, query, filters, top_k)


def _publish(client: reflexio.ReflexioClient, user_id: str, interactions: list[Any], session: str, source: str) -> None:
    client.publish_interaction(
        user_id,
        [
            {"role": i["role"], "content": i["content"], "created_at": _START + timedelta(hours=i["hour"])}
            for i in interactions
        ],
        session_id=session or None,
        source=source,
    )


def _delete(client: reflexio.ReflexioClient, user_id: str, what: str, which: Any) -> None:
    if what == "session":
        client.delete_session(which, user_id=user_id)
    elif known := client.get_interactions(user_id, top_k=1000).interactions:
        chosen = known[which % len(known)]
        if what == "interaction":
            client.delete_interaction(user_id, chosen.interaction_id)
        else:
            client.delete_request(chosen.request_id)


def _compare(
    client: reflexio.ReflexioClient, database_url: str, user_id: str, query: str, filters: dict[str, Any], top_k: int
) -> None:
    answer = client.search_interactions(
        user_id=user_id, query=query, search_mode="vector", top_k=top_k, **filters
    ).interactions
    expected = _brute_force(database_url, user_id, query, filters)
    got = {hit.interaction_id: hit.score for hit in answer}
    assert len(got) == len(answer) == min(top_k, len(expected))
    for hit in answer:
        assert hit.score == pytest.approx(expected[hit.interaction_id], abs=1e-4)
    # Which of two with almost the same score comes first is not compared; that none worse is among them is.
    assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)
    left_out = [score for interaction_id, score in expected.items() if interaction_id not in got]
    if left_out:
        assert min(got.values()) >= max(left_out) - 1e-4


def _brute_force(database_url: str, user_id: str, query: str, filters: dict[str, Any]) -> dict[int, float]:
    """For each interaction that fulfils the conditions its score, from nothing but what Postgres holds."""
    vectors, recent = asyncio.run(_rows(database_url, user_id))
    pool = set(recent[: filters.get("most_recent_k", len(recent))])
    query_vector = FakeEmbedder().encode([query])[0]
    rows: dict[int, Any] = {}
    nearest: dict[int, np.ndarray] = {}
    for row in vectors:
        which, vector = row["interaction_id"], np.frombuffer(row["vector"], "<f2").astype(np.float32)
        rows[which] = row
        if which not in nearest or vector @ query_vector > nearest[which] @ query_vector:
            nearest[which] = vector
    turns = [
        Turn(which, row["created_at"], row["session_id"] or row["request_id"], nearest[which])
        for which, row in rows.items()
    ]
    return {
        which: max(0.0, min(1.0, cosine))
        for which, cosine in similarities(turns, query_vector).items()
        if which in pool and _fits(rows[which], filters)
    }


def _fits(row: Any, filters: dict[str, Any]) -> bool:
    created_at = datetime.fromtimestamp(row["created_at"] / 1e9, UTC)
    return all(
        row[name] == filters[name] for name in ("role", "session_id", "source") if name in filters
    ) and filters.get("start_time", created_at) <= created_at <= filters.get("end_time", created_at)


async def _rows(database_url: str, user_id: str) -> tuple[list[Any], list[int]]:
    url = make_url(database_url)
    connection = await asyncpg.connect(
        host=url.query["host"], user=url.username, database=url.database, server_settings={"reflexio.org_id": "1"}
    )
    try:
        vectors = await connection.fetch(
            """select i.interaction_id, i.request_id, i.role, i.session_id, i.source, i.created_at, v.vector
               from vectors v join interactions i using (org_id, interaction_id)
               where v.org_id = 1 and v.user_id = $1""",
            user_id,
        )
        recent = await connection.fetch(
            """select interaction_id from interactions where org_id = 1 and user_id = $1
               order by created_at desc, interaction_id desc""",
            user_id,
        )
    finally:
        await connection.close()
    return vectors, [row["interaction_id"] for row in recent]
