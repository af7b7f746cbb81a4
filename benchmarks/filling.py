"""Histories written straight into Postgres, with made-up vectors: publishing and embedding a million would take hours.

The texts are those of the workload. The vectors are a mixture of a few thousand directions that lie in a part of the
space, with noise around each: as with sentences, a query has some close neighbours and many distant ones. A uniform
cloud would have neither.
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice

import asyncpg
import numpy as np
from numpy.typing import NDArray
from reflexio_server.access.caller import LOCAL_CALLER
from reflexio_server.settings import Settings
from reflexio_server.store.tables import INTERACTION_ID_BLOCK
from reflexio_server.store.text_search import document_words, hashed_words

from benchmarks.workload import exchanges

WORDS_COLUMN, WORDS_TYPE = "lexemes", "tsvector"
"""The column of `interactions` by which words are found."""

WORDS = "to_tsvector('english', {text})"
"""SQL for what a publish writes into it, of a text as `document_words` gives it."""

DIMENSION = 384
MODEL = Settings().embedding_model

_ORG_ID = LOCAL_CALLER.org_id
_BLOCK = 50_000
_PER_VERSION = 1000
"""Vectors that are written, and that count as committed, together."""
_DIRECTIONS = 2000
_NOISE = 1.3
_PER_SESSION = 20
"""Interactions of each session where they are short."""
_DISTINCT_SENTENCES = 20_000
"""So many are made; longer histories repeat them."""
_FIRST_MOMENT = 1_735_689_600 * 10**9
"""Nanoseconds since the epoch, for the interaction with id 0; each later one is a second younger."""

_BLOCKS = "select max(nextval('interaction_id_blocks')) from generate_series(1, $1::bigint)"

_VERSIONS = "select max(nextval('user_versions_sequence')) from generate_series(1, $1::bigint)"

_SENTENCES = f"""
    create temp table sentences (
        number bigint primary key, role text not null, said text not null, words {WORDS_TYPE});
"""

_SENTENCE = f"""
    insert into sentences select number, role, said, {WORDS.format(text="searchable")}
    from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as s (number, role, said, searchable)
"""

_WORDS_OF_VECTORS = f"select coalesce({hashed_words('words')}, '') as words from sentences order by number"

_SESSION = f"coalesce($3, concat('session ', n / {_PER_SESSION}))"

_REQUESTS = f"""
    insert into requests (org_id, request_id, user_id, source, agent_version, session_id, skip_aggregation,
                          force_extraction, created_at, text_bytes, image_bytes)
    select $1, md5(concat($6::bigint, ' requests ', n / $6::bigint))::uuid, $2, '', '', {_SESSION}, false, false,
           $7::bigint + n * 1000000000, 900 * $6::bigint, 0
    from generate_series($4::bigint, $4::bigint + $5::bigint - 1, $6::bigint) as n
"""

_INTERACTIONS = f"""
    insert into interactions (org_id, interaction_id, user_id, request_id, session_id, source, role, content,
                              shadow_content, expert_content, user_action, user_action_description,
                              interacted_image_url, has_image, created_at, {WORDS_COLUMN})
    select $1, n, $2, md5(concat($6::bigint, ' requests ', n / $6::bigint))::uuid, {_SESSION}, '', role, said, '', '',
           1, '', '', n % 100 < $8::bigint, $7::bigint + n * 1000000000, words
    from generate_series($4::bigint, $4::bigint + $5::bigint - 1) as n
    join sentences on number = n % {_DISTINCT_SENTENCES}
"""

_IMAGES = """
    insert into images (org_id, interaction_id, media_type, data)
    select $1, n, 'image/png', decode(repeat(md5(n::text), 640), 'hex')
    from generate_series($2::bigint, $2::bigint + $3::bigint - 1) as n where n % 100 < $4::bigint
"""

_USER = """
    insert into user_versions (org_id, user_id, version, reload_before) values ($1, $2, $3, 0)
    on conflict (org_id, user_id) do update set version = excluded.version
"""


async def write_history(
    connection: asyncpg.Connection,
    user_id: str,
    count: int,
    *,
    session_id: str | None = None,
    images_per_hundred: int = 0,
    per_request: int = 2,
) -> None:
    """Write so many interactions of one user, each with one vector.

    Args:
        connection: To the service's database, which must be migrated. It keeps a temporary table with sentences.
        user_id: Of which user.
        count: How many.
        session_id: The session of all its requests; None for many short ones.
        images_per_hundred: How many of a hundred interactions have an image, of 10 KiB.
        per_request: How many interactions each request has: 2, 10 or 20.
    """
    words = await _write_sentences(connection)
    for block in blocks_of_vectors(count, seed=zlib.crc32(user_id.encode())):
        size = len(block)
        needed = -(-size // INTERACTION_ID_BLOCK) + 1
        first = (await connection.fetchval(_BLOCKS, needed) - needed + 1) * INTERACTION_ID_BLOCK
        versions = -(-size // _PER_VERSION)
        last_version = await connection.fetchval(_VERSIONS, versions)
        whose = (_ORG_ID, user_id, session_id, first, size, per_request, _FIRST_MOMENT)
        async with connection.transaction():
            await connection.execute(_REQUESTS, *whose)
            await connection.execute(_INTERACTIONS, *whose, images_per_hundred)
            if images_per_hundred:
                await connection.execute(_IMAGES, _ORG_ID, first, size, images_per_hundred)
            await connection.copy_records_to_table(
                "vectors", records=_rows(user_id, first, last_version - versions + 1, block, words), columns=_COLUMNS
            )
            await connection.execute(_USER, _ORG_ID, user_id, last_version)


_words: list[bytes] = []
"""What stands beside the vector of each sentence; the same on every connection."""


async def _write_sentences(connection: asyncpg.Connection) -> list[bytes]:
    if await connection.fetchval("select to_regclass('pg_temp.sentences') is not null"):
        return _words
    said = [message for exchange in islice(exchanges(7), _DISTINCT_SENTENCES // 2) for message in exchange]
    await connection.execute(_SENTENCES)
    await connection.execute(
        _SENTENCE,
        list(range(len(said))),
        [message["role"] for message in said],
        [message["content"] for message in said],
        [document_words(message["content"]) for message in said],
    )
    await connection.execute("analyze sentences")
    _words[:] = [row["words"] for row in await connection.fetch(_WORDS_OF_VECTORS)]
    return _words


_COLUMNS = ["org_id", "interaction_id", "model", "chunk", "user_id", "version", "dimension", "vector", "words"]


def _rows(
    user_id: str, first: int, version: int, block: NDArray[np.float16], words: Sequence[bytes]
) -> Iterator[Sequence[object]]:
    dimension = block.shape[1]
    for n, vector in enumerate(block):
        stored = (dimension, vector.tobytes(), words[(first + n) % _DISTINCT_SENTENCES])
        yield _ORG_ID, first + n, MODEL, 0, user_id, version + n // _PER_VERSION, *stored


def blocks_of_vectors(count: int, seed: int, dimension: int = DIMENSION) -> Iterator[NDArray[np.float16]]:
    """Vectors of unit length, as Postgres holds them; the same for the same seed."""
    chance = np.random.default_rng(seed)
    spread = _spread(dimension)
    middles = _middles(dimension)
    scale = _NOISE * 0.6 / np.linalg.norm(spread)
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        noise = chance.standard_normal((size, dimension), dtype=np.float32) * spread
        block = middles[chance.integers(0, _DIRECTIONS, size)] + scale * noise
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        yield block.astype("<f2")


@cache
def _middles(dimension: int) -> NDArray[np.float32]:
    spread = _spread(dimension)
    around = np.random.default_rng(1).standard_normal((_DIRECTIONS, dimension), dtype=np.float32) * spread
    middles: NDArray[np.float32] = around + 0.3 * spread
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    return middles


def _spread(dimension: int) -> NDArray[np.float32]:
    """A few directions vary much and most vary little, as with sentences; all share some of their direction."""
    return (1 / np.sqrt(1 + np.arange(dimension) / 12)).astype(np.float32)
