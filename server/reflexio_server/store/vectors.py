"""Vectors: stored together with the version that brings them, read by what has changed since a version."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, LargeBinary, SmallInteger, Text

from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.store import embedding_models, user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.interaction_rows import InteractionRows, described, interaction_columns, rows_from
from reflexio_server.store.statement import Statement
from reflexio_server.store.text_search import hashed_words

# What a deletion took from the queue first is not there to be taken: nothing is stored for it.
_STORE = text(f"""
    with taken as (
        delete from embedding_queue where org_id = :org_id and interaction_id = any(:taken_ids)
        returning interaction_id
    ), stored as (
        insert into vectors (org_id, interaction_id, model, chunk, user_id, version, dimension, vector, words)
        select :org_id, e.interaction_id, :model, e.chunk, e.user_id, e.version, :dimension, e.vector,
               case when e.chunk = 0 then coalesce({hashed_words("i.lexemes")}, '') end
        from unnest(:interaction_ids, :chunks, :user_ids, :versions, :vectors)
             as e (interaction_id, chunk, user_id, version, vector)
        join taken on taken.interaction_id = e.interaction_id
        join interactions i on i.org_id = :org_id and i.interaction_id = e.interaction_id
        -- Left from when this model was active before.
        on conflict (org_id, interaction_id, model, chunk) do update set version = excluded.version
    )
    select interaction_id from taken
""").bindparams(  # noqa: S608 -- what is put in is a constant.
    bindparam("org_id", type_=BigInteger),
    bindparam("model", type_=Text),
    bindparam("dimension", type_=SmallInteger),
    bindparam("taken_ids", type_=ARRAY(BigInteger)),
    bindparam("interaction_ids", type_=ARRAY(BigInteger)),
    bindparam("chunks", type_=ARRAY(SmallInteger)),
    bindparam("user_ids", type_=ARRAY(Text)),
    bindparam("versions", type_=ARRAY(BigInteger)),
    bindparam("vectors", type_=ARRAY(LargeBinary)),
)

# Stored beside the first piece, but not by older versions.
_WORDS = f"case when p.chunk = 0 then coalesce(p.words, {hashed_words('i.lexemes')}, '') end"

# One statement is one snapshot: the version, what was deleted and what was added belong together. "With ties" keeps
# a version whole, and with it each interaction.
_CHANGES = Statement(
    f"""
    with added as (
        select count(*) as row_count, max(p.version) as last_version,
               {interaction_columns("filter (where p.chunk = 0)")},
               array_agg(p.interaction_id) as piece_ids, string_agg(p.vector, '') as vectors
        from (
            select version, interaction_id, chunk, vector, words from vectors
            where org_id = :org_id and user_id = :user_id and model = :model and dimension = :dimension
              and version > :vectors_since
            order by version fetch first (:portion) rows with ties
        ) p join {described("p", _WORDS)}
    )
    select u.version, u.reload_before, added.*,
           (select model from embedding_models where state = 'active') as active_model,
           array(
               select unnest(d.interaction_ids) from vector_deletions d
               where d.org_id = :org_id and d.user_id = :user_id and d.version > :deletions_since) as deleted
    from user_versions u, added
    where u.org_id = :org_id and u.user_id = :user_id
    """,  # noqa: S608 -- what is put in are constants.
    {
        "org_id": "bigint",
        "user_id": "text",
        "model": "text",
        "dimension": "smallint",
        "vectors_since": "bigint",
        "deletions_since": "bigint",
        "portion": "bigint",
    },
)


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """The vectors of one interaction."""

    user_id: UserId
    interaction_id: InteractionId
    vectors: Sequence[bytes]
    """One per piece of its text, in order: of unit length, little-endian half-precision floats."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of texts whose vectors were to be stored."""

    interaction_ids: set[InteractionId]
    """For these it was done."""
    busy: set[UserId]
    """For these users nothing was done, because somebody else is changing their vectors: to be tried again."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a user's vectors since a version: a consistent state of the database."""

    version: int
    """The user's version."""
    reload_before: int
    """Whoever has not seen this version cannot be told all deletions."""
    deleted: Sequence[int]
    """Interactions whose vectors are gone; none of them is among `added`."""
    added: InteractionRows | None
    """A portion of what came, in the order of versions; None where nothing came."""
    added_up_to: int
    """The version up to which nothing that came is missing."""
    active_model: str | None
    """The model that was active then; None where no server has ever started."""


async def store(database: Database, org_id: OrgId, model: str, dimension: int, texts: Sequence[EmbeddedText]) -> Stored:
    """Store vectors, in one transaction, for those interactions that are still in the embedding queue.

    A user whose vectors somebody else is changing is left out: one long deletion must not hold up everybody.

    Returns:
        The interactions that it was done for, and the users who were left out. What is neither was deleted, or
        another server was quicker.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached; repeating it is safe.
        ModelRetired: Another model is active; nothing was stored.
    """

    async def work() -> Stored:
        async with database.transaction(org_id) as connection:
            await embedding_models.writing_with(connection, model)
            users = {t.user_id for t in texts}
            versions = await user_versions.bump_free(connection, org_id, users)
            ready = [t for t in texts if t.user_id in versions]
            if not ready:
                return Stored(set(), users)
            pieces = [(t, chunk, vector) for t in ready for chunk, vector in enumerate(t.vectors)]
            parameters = {
                "org_id": org_id,
                "model": model,
                "dimension": dimension,
                "taken_ids": [t.interaction_id for t in ready],
                "interaction_ids": [t.interaction_id for t, _, _ in pieces],
                "chunks": [chunk for _, chunk, _ in pieces],
                "user_ids": [t.user_id for t, _, _ in pieces],
                "versions": [versions[t.user_id] for t, _, _ in pieces],
                "vectors": [vector for _, _, vector in pieces],
            }
            stored = set((await connection.execute(_STORE, parameters)).scalars())
            with_vectors = {t.user_id for t in texts if t.interaction_id in stored}
            without = {user_id: version for user_id, version in versions.items() if user_id not in with_vectors}
            await user_versions.discard_new(connection, org_id, without)
            await connection.commit()
        return Stored(stored, users.difference(versions))

    return await retried(work)


async def changes(
    database: Database,
    org_id: OrgId,
    user_id: UserId,
    model: str,
    dimension: int,
    *,
    vectors_since: int,
    deletions_since: int,
    portion: int,
) -> Changes | None:
    """What became of a user's vectors; None where there never was one.

    Args:
        database: Where to read; one statement.
        org_id: Whose.
        user_id: Of which user.
        model: The name of the model that made the vectors.
        dimension: The dimension of its vectors.
        vectors_since: Only vectors of later versions.
        deletions_since: Only deletions of later versions.
        portion: How many vectors at most; those of one version are not torn apart, though.
    """
    parameters = {
        "org_id": org_id,
        "user_id": user_id,
        "model": model,
        "dimension": dimension,
        "vectors_since": vectors_since,
        "deletions_since": deletions_since,
        "portion": portion,
    }
    async with database.direct(org_id) as connection:
        row = await connection.fetchrow(_CHANGES.sql, *_CHANGES.arguments(parameters))
    if row is None:
        return None
    row_count = row["row_count"]
    added = None
    if row["interaction_ids"]:
        added = rows_from(row, *_together(row["interaction_ids"], row["piece_ids"], row["vectors"]))
    added_up_to = row["version"] if row_count < portion else row["last_version"]
    return Changes(row["version"], row["reload_before"], row["deleted"], added, added_up_to, row["active_model"])


def _together(interaction_ids: Sequence[int], piece_ids: Sequence[int], vectors: bytes) -> tuple[Sequence[int], bytes]:
    """How many vectors each interaction has, and its vectors together: as they were read, others may lie between."""
    if len(piece_ids) == len(interaction_ids):
        return [1] * len(piece_ids), vectors
    places = {interaction_id: place for place, interaction_id in enumerate(interaction_ids)}
    of_pieces = np.array([places[interaction_id] for interaction_id in piece_ids])
    pieces = np.frombuffer(vectors, np.uint8).reshape(len(piece_ids), -1)
    counts = np.bincount(of_pieces, minlength=len(interaction_ids)).tolist()
    return counts, pieces[np.argsort(of_pieces, kind="stable")].tobytes()
