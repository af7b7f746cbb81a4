"""What must hold in Postgres itself, whatever the servers say."""

from collections.abc import Collection, Sequence

import asyncpg
import numpy as np
from reflexio_server.domain.ids import OrgId
from reflexio_server.domain.interaction import searchable_text
from reflexio_server.store.database import Database
from reflexio_server.store.location import driver_url

from tests.end_to_end.faults.publications import KEPT_SINCE
from tests.end_to_end.faults.verification import Findings
from tests.end_to_end.stand.poison import POISON
from tests.fakes.embedder import FakeEmbedder
from tests.store.consistency import violations

_ORG = OrgId(1)
_EMPTIED = "requests that lost interactions which nobody deleted"


async def settled(connection: asyncpg.Connection) -> bool:
    """Whether no server works on anything any more: nothing under way, nothing to embed, and nothing too old."""
    busy = await connection.fetchval(
        """select count(*) from pg_stat_activity
           where datname = current_database() and application_name = 'reflexio' and state <> 'idle'"""
    )
    waiting = await connection.fetchval("select count(*) from embedding_queue where set_aside_reason is null")
    return busy == 0 and waiting == 0 and not await too_old(connection)


async def too_old(connection: asyncpg.Connection) -> Sequence[str]:
    """The tags of what the age limit has to take away and has not."""
    rows = await connection.fetch("select agent_version from requests where created_at < $1", KEPT_SINCE * 10**9)
    return [row["agent_version"] for row in rows]


async def compare_rows(
    url: str, connection: asyncpg.Connection, findings: Findings, *, erased: Collection[str], fake_model: bool
) -> None:
    """Look for rows that belong to nothing or to who was erased, and for vectors that the model would not make."""
    database = Database(pool_size=2, statement_cache_size=0)
    database.open(driver_url(url))
    try:
        wrong = await violations(database, _ORG)
    finally:
        await database.close()
    # The listing is compared with what was deleted one by one; that a request is empty may be right here.
    wrong.pop(_EMPTIED, None)
    for what, count in wrong.items():
        findings.note("orphans", f"{count} {what}")
    await _compare_erased(connection, erased, findings)
    if fake_model:
        await _compare_set_aside(connection, findings)
        await _compare_vectors(connection, findings)


async def _compare_erased(connection: asyncpg.Connection, erased: Collection[str], findings: Findings) -> None:
    """Of whom nothing is listed, no table may have a row. What came late, after the erasure, is compared elsewhere."""
    tables = await connection.fetch(
        """select table_name from information_schema.columns
           where column_name = 'user_id' and table_schema = 'public' order by table_name"""
    )
    assert tables
    for [table] in tables:
        left = await connection.fetch(
            f"""select user_id, count(*) from {table} t
                where user_id = any($1) and not exists (select from requests r where r.user_id = t.user_id)
                group by user_id""",
            list(erased),
        )
        for user_id, count in left:
            findings.note("left of who was erased", f"{count} rows of {user_id} in {table}")


async def _compare_set_aside(connection: asyncpg.Connection, findings: Findings) -> None:
    rows = await connection.fetch(
        """select i.interaction_id, i.content, q.set_aside_reason from interactions i
           left join embedding_queue q using (org_id, interaction_id)
           where q.set_aside_reason is not null or i.content like $1""",
        f"%{POISON}%",
    )
    for row in rows:
        if POISON not in row["content"]:
            findings.note("set aside wrongly", f"{row['interaction_id']} because of {row['set_aside_reason']}")
        elif POISON not in (row["set_aside_reason"] or ""):
            findings.note("not set aside", f"{row['interaction_id']}: {row['set_aside_reason']}")


async def _compare_vectors(connection: asyncpg.Connection, findings: Findings) -> None:
    embedder = FakeEmbedder()
    rows = await connection.fetch(
        """select i.interaction_id, i.role, i.content, i.user_action_description,
                  array_agg(v.vector order by v.chunk) as vectors, array_agg(v.chunk order by v.chunk) as chunks
           from interactions i join vectors v using (org_id, interaction_id) group by i.org_id, i.interaction_id"""
    )
    for row in rows:
        pieces = embedder.split(searchable_text(row["role"], row["content"], row["user_action_description"]))
        expected = embedder.encode(pieces).astype("<f2")
        whole = row["chunks"] == list(range(len(pieces)))
        if not whole or not np.array_equal(expected, np.stack([np.frombuffer(v, "<f2") for v in row["vectors"]])):
            findings.note("wrong vectors", f"{row['interaction_id']} has {len(row['chunks'])} of {len(pieces)}")
