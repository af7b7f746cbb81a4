"""Building the vectors of another model beside those of the active one.

An interaction lacks vectors of the new model when it has some of the active one, and none of the new one, and the new
one did not fail on it either.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, LargeBinary, SmallInteger, Text

from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.domain.interaction import searchable_text
from reflexio_server.store import embedding_models, user_versions
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.embedding_models import Lease
from reflexio_server.store.embedding_queue import MOST_REASON, QueuedText
from reflexio_server.store.text_search import hashed_words
from reflexio_server.store.vectors import EmbeddedText

_LACKS = """
    not exists (select from vectors n where n.org_id = v.org_id and n.interaction_id = v.interaction_id
                and n.model = :model and n.chunk = 0)
    and not exists (select from embedding_queue q where q.org_id = v.org_id and q.interaction_id = v.interaction_id
                    and q.failed_model = :model)
"""

_WALK = text(f"""
    select v.org_id, v.interaction_id, v.user_id, {_LACKS} as lacks from vectors v
    where v.model = (select model from embedding_models where state = 'active') and v.chunk = 0
      and (v.org_id, v.interaction_id) > (:org_id, :interaction_id)
    order by v.org_id, v.interaction_id limit :count
""")  # noqa: S608 -- the only thing put in is a constant.

# Versions come from one sequence, and whoever stores a vector gives its user a new one.
_CAME_SINCE = text(f"""
    select v.org_id, v.interaction_id, v.user_id
    from user_versions u join vectors v on v.org_id = u.org_id and v.user_id = u.user_id
    where u.version > :version and v.version > :version and v.chunk = 0
      and v.model = (select model from embedding_models where state = 'active') and {_LACKS}
    order by v.org_id, v.interaction_id limit :count
""")  # noqa: S608 -- as above.

_TEXTS = text("""
    with sized as (
        select interaction_id, user_id, role, content, user_action_description,
               row_number() over by_id as place, sum(
                   octet_length(role) + octet_length(content) + octet_length(user_action_description)
               ) over by_id as total
        from interactions where org_id = :org_id and interaction_id = any(:interaction_ids)
        window by_id as (order by interaction_id)
    )
    select interaction_id, user_id, role, content, user_action_description
    from sized where place = 1 or total <= :most_bytes order by interaction_id
""").bindparams(bindparam("interaction_ids", type_=ARRAY(BigInteger)))

# What was deleted before the users' locks were taken is not there to be joined.
_STORE = text(f"""
    with alive as (
        select interaction_id, lexemes from interactions where org_id = :org_id and interaction_id = any(:ids)
    ), stored as (
        insert into vectors (org_id, interaction_id, model, chunk, user_id, version, dimension, vector, words)
        select :org_id, e.interaction_id, :model, e.chunk, e.user_id, e.version, :dimension, e.vector,
               case when e.chunk = 0 then coalesce({hashed_words("alive.lexemes")}, '') end
        from unnest(:interaction_ids, :chunks, :user_ids, :versions, :vectors)
             as e (interaction_id, chunk, user_id, version, vector)
        join alive on alive.interaction_id = e.interaction_id
        on conflict do nothing
    ), failed as (
        insert into embedding_queue (org_id, interaction_id, user_id, leased_until, set_aside_reason, failed_model)
        select :org_id, f.interaction_id, f.user_id, now(), f.reason, :model
        from unnest(:failed_ids, :failed_user_ids, :failed_reasons) as f (interaction_id, user_id, reason)
        join alive on alive.interaction_id = f.interaction_id
        on conflict do nothing
    )
    select interaction_id from alive
""").bindparams(  # noqa: S608 -- what is put in is a constant.
    bindparam("org_id", type_=BigInteger),
    bindparam("model", type_=Text),
    bindparam("dimension", type_=SmallInteger),
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("interaction_ids", type_=ARRAY(BigInteger)),
    bindparam("chunks", type_=ARRAY(SmallInteger)),
    bindparam("user_ids", type_=ARRAY(Text)),
    bindparam("versions", type_=ARRAY(BigInteger)),
    bindparam("vectors", type_=ARRAY(LargeBinary)),
    bindparam("failed_ids", type_=ARRAY(BigInteger)),
    bindparam("failed_user_ids", type_=ARRAY(Text)),
    bindparam("failed_reasons", type_=ARRAY(Text)),
)

_PROGRESS = text("""
    update embedding_models
    set done_count = done_count + :done, failed_count = failed_count + :failed,
        total_count = greatest(total_count, done_count + :done)
    where model = :model and state = 'building' and lease_token = :token
""")
_WALKED_TO = text("""
    update embedding_models
    set walked_org_id = :org_id, walked_interaction_id = :interaction_id,
        done_count = least(total_count, done_count + :done)
    where model = :model and state = 'building' and lease_token = :token
""")
_NO_VERSION_ON_ITS_WAY = text("select nextval('user_versions_sequence')")
_COMPLETE_UP_TO = text("""
    update embedding_models set is_walked = true, complete_up_to = :version
    where model = :model and state = 'building' and lease_token = :token
""")


@dataclass(frozen=True, slots=True)
class Place:
    """An interaction, in the order of the walk."""

    org_id: OrgId
    interaction_id: InteractionId
    user_id: UserId
    lacks: bool
    """Whether it lacks vectors of the new model."""


@dataclass(frozen=True, slots=True)
class FailedText:
    """An interaction on which the new model failed."""

    user_id: UserId
    interaction_id: InteractionId
    reason: str


async def walk(connection: AsyncConnection, lease: Lease, after: tuple[int, int], count: int) -> Sequence[Place]:
    """The next interactions that have vectors of the active model."""
    values = {"model": lease.model, "org_id": after[0], "interaction_id": after[1], "count": count}
    return [Place(*row) for row in await connection.execute(_WALK, values)]


async def came_since(connection: AsyncConnection, lease: Lease, version: int, count: int) -> Sequence[Place]:
    """Interactions whose vectors came after `version` and that lack the new model's."""
    values = {"model": lease.model, "version": version, "count": count}
    return [
        Place(row.org_id, row.interaction_id, row.user_id, lacks=True)
        for row in await connection.execute(_CAME_SINCE, values)
    ]


async def texts(
    connection: AsyncConnection, org_id: OrgId, interaction_ids: Collection[InteractionId], most_bytes: int
) -> Sequence[QueuedText]:
    """What interactions say, in the order of their ids, as many as fit but one at least."""
    values = {"org_id": org_id, "interaction_ids": list(interaction_ids), "most_bytes": most_bytes}
    return [
        QueuedText(
            org_id,
            UserId(row.user_id),
            InteractionId(row.interaction_id),
            searchable_text(row.role, row.content, row.user_action_description),
        )
        for row in await connection.execute(_TEXTS, values)
    ]


async def store(
    database: Database,
    lease: Lease,
    org_id: OrgId,
    embedded: Sequence[EmbeddedText],
    failed: Sequence[FailedText],
) -> None:
    """Store what the new model made of interactions, of those that still exist.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached; repeating it is safe.
        LeaseLost: Nothing was stored.
    """

    async def work(users: set[UserId]) -> set[UserId]:
        """Returns the users of whom something was stored; unless these are all, nothing was."""
        ours = [t for t in embedded if t.user_id in users]
        failures = [f for f in failed if f.user_id in users]
        owners = {t.interaction_id: t.user_id for t in ours} | {f.interaction_id: f.user_id for f in failures}
        async with database.transaction(org_id) as connection:
            versions = await user_versions.bump(connection, org_id, users)
            pieces = [(t, chunk, vector) for t in ours for chunk, vector in enumerate(t.vectors)]
            values = {
                "org_id": org_id,
                "model": lease.model,
                "dimension": lease.dimension,
                "ids": list(owners),
                "interaction_ids": [t.interaction_id for t, _, _ in pieces],
                "chunks": [chunk for _, chunk, _ in pieces],
                "user_ids": [t.user_id for t, _, _ in pieces],
                "versions": [versions[t.user_id] for t, _, _ in pieces],
                "vectors": [vector for _, _, vector in pieces],
                "failed_ids": [f.interaction_id for f in failures],
                "failed_user_ids": [f.user_id for f in failures],
                "failed_reasons": [f.reason.replace("\0", " ")[:MOST_REASON] for f in failures],
            }
            alive = {owners[i] for i in (await connection.execute(_STORE, values)).scalars()}
            if alive == users:
                done = {"done": len(embedded) + len(failed), "failed": len(failures)}
                await embedding_models.fenced(connection, lease, _PROGRESS, **done)
                await connection.commit()
        return alive

    users = {t.user_id for t in embedded} | {f.user_id for f in failed}
    # A user of whom nothing is left was perhaps erased: the lock's row must not bring the name back.
    while (alive := await retried(partial(work, users))) != users:
        users = alive


async def walked_to(database: Database, lease: Lease, place: tuple[int, int], done: int) -> None:
    """Note how far the first walk came, and how many of those that it passed lacked nothing.

    Raises:
        LeaseLost: Nothing was noted.
    """
    async with database.autocommit(None) as connection:
        await embedding_models.fenced(
            connection, lease, _WALKED_TO, org_id=place[0], interaction_id=place[1], done=done
        )


async def newest_version(database: Database) -> int:
    """A version up to which everything is committed: whatever is stored from now on has a later one."""

    async def work() -> int:
        async with database.transaction(None) as connection:
            await embedding_models.alone(connection)
            version: int = (await connection.execute(_NO_VERSION_ON_ITS_WAY)).scalar_one()
            await connection.commit()
        return version

    return await retried(work)


async def complete_up_to(database: Database, lease: Lease, version: int) -> None:
    """Note that nothing that came up to `version` lacks vectors of the new model.

    Raises:
        LeaseLost: Nothing was noted.
    """
    async with database.autocommit(None) as connection:
        await embedding_models.fenced(connection, lease, _COMPLETE_UP_TO, version=version)
