"""The version of each user's set of vectors: what makes a cached partition exactly as fresh as it must be.

Whoever changes a user's vectors calls `bump` or `bump_free` first, in the same transaction. It takes the lock of
the user's row, so that the versions of one user are in the order of the commits, and no row can appear behind a reader.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Text

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.reach import Purpose

_BUMP = text("""
    insert into user_versions as u (org_id, user_id, version, reload_before)
    select :org_id, user_id, nextval('user_versions_sequence'), currval('user_versions_sequence')
    from unnest(:user_ids) as user_id order by user_id
    on conflict (org_id, user_id) do update set version = nextval('user_versions_sequence')
    returning user_id, version, version = reload_before as new
""").bindparams(bindparam("user_ids", type_=ARRAY(Text)))

# What the first part inserts the second does not see: each user is in one of them, or somebody else has the lock.
# New rows come first and in order, and nothing that is locked already is waited for: it cannot deadlock.
_BUMP_FREE = text("""
    with made as (
        insert into user_versions (org_id, user_id, version, reload_before)
        select :org_id, user_id, nextval('user_versions_sequence'), currval('user_versions_sequence')
        from unnest(:user_ids) as given (user_id)
        where not exists (select from user_versions u where u.org_id = :org_id and u.user_id = given.user_id)
        order by user_id
        on conflict (org_id, user_id) do nothing
        returning user_id, version
    ), free as (
        select user_id from user_versions where org_id = :org_id and user_id = any(:user_ids)
        order by user_id for update skip locked
    ), bumped as (
        update user_versions u set version = nextval('user_versions_sequence')
        from free where u.org_id = :org_id and u.user_id = free.user_id
        returning u.user_id, u.version
    )
    select user_id, version, true as new from made union all select user_id, version, false from bumped
""").bindparams(bindparam("user_ids", type_=ARRAY(Text)))

# The version of a row that is to be inserted was drawn before any waiting. Another user of that name may have had later
# ones and be erased meanwhile: a new row gets a version that was drawn under its lock.
_BEGIN = text("""
    update user_versions
    set version = nextval('user_versions_sequence'), reload_before = currval('user_versions_sequence')
    where org_id = :org_id and user_id = any(:user_ids)
    returning user_id, version
""").bindparams(bindparam("user_ids", type_=ARRAY(Text)))

# Only a row that was made in this very transaction has both its numbers from one moment.
_DISCARD_NEW = text("""
    delete from user_versions
    where org_id = :org_id and user_id = any(:user_ids) and version = any(:versions) and reload_before = version
""").bindparams(bindparam("user_ids", type_=ARRAY(Text)), bindparam("versions", type_=ARRAY(BigInteger)))

_LOCK_ALL = text("""
    select count(*) from (
        select from user_versions where org_id = :org_id order by user_id for update) as locked
""")

_BUMP_ALL = text("""
    with forgotten as (delete from vector_deletions where org_id = :org_id)
    update user_versions
    set version = nextval('user_versions_sequence'), reload_before = currval('user_versions_sequence')
    where org_id = :org_id
""")

_FORGET = text("""
    with forgotten as (
        delete from vector_deletions where created_at < now() - make_interval(hours => :hours)
        returning org_id, user_id, version
    )
    update user_versions u set reload_before = greatest(u.reload_before, f.version)
    from (select org_id, user_id, max(version) as version from forgotten group by org_id, user_id) f
    where u.org_id = f.org_id and u.user_id = f.user_id
""")

_STALE = text("""
    select k.org_id, k.user_id from unnest(:org_ids, :user_ids, :seen) as k (org_id, user_id, seen)
    left join user_versions u on u.org_id = k.org_id and u.user_id = k.user_id
    where k.seen > 0 and (u.version is null or u.reload_before > k.seen or exists (
        select from vector_deletions d where d.org_id = k.org_id and d.user_id = k.user_id and d.version > k.seen))
""").bindparams(
    bindparam("org_ids", type_=ARRAY(BigInteger)),
    bindparam("user_ids", type_=ARRAY(Text)),
    bindparam("seen", type_=ARRAY(BigInteger)),
)

_DELETIONS_LIFETIME_HOURS = 6
"""How long deletions are kept for partitions that were not used meanwhile. Older partitions are loaded afresh."""


async def bump(connection: AsyncConnection, org_id: OrgId, user_ids: Iterable[UserId]) -> Mapping[UserId, int]:
    """Lock the users' rows, in an order that cannot deadlock, and give each a new version.

    The lock is held to the end of the transaction.
    """
    return await _bumped(connection, _BUMP, org_id, user_ids)


async def bump_free(connection: AsyncConnection, org_id: OrgId, user_ids: Iterable[UserId]) -> Mapping[UserId, int]:
    """As `bump`, but only those users whose rows nobody else has locked: the others are left out, not waited for."""
    return await _bumped(connection, _BUMP_FREE, org_id, user_ids)


async def discard_new(connection: AsyncConnection, org_id: OrgId, versions: Mapping[UserId, int]) -> None:
    """Delete those rows that had to be made for users who turned out to have no vectors.

    A name that nothing belongs to must not stay behind, least of all that of a user who was erased meanwhile.

    Args:
        connection: The transaction in which the rows were locked.
        org_id: Whose.
        versions: What `bump` or `bump_free` gave to those users.
    """
    if versions:
        key = {"org_id": org_id, "user_ids": list(versions), "versions": list(versions.values())}
        await connection.execute(_DISCARD_NEW, key)


async def lock_all(connection: AsyncConnection, org_id: OrgId) -> None:
    """Lock the rows of all users of an organisation, in the order that `bump` takes."""
    await connection.execute(_LOCK_ALL, {"org_id": org_id})


async def bump_all(connection: AsyncConnection, org_id: OrgId) -> None:
    """Give every user of an organisation a new version from which partitions must be loaded afresh."""
    await connection.execute(_BUMP_ALL, {"org_id": org_id})


async def with_deletions_since(
    connection: AsyncConnection, seen: Mapping[tuple[OrgId, UserId], int]
) -> Sequence[tuple[OrgId, UserId]]:
    """Those users of whom something was deleted since the version that was seen, or who were erased."""
    parameters = {
        "org_ids": [org_id for org_id, _ in seen],
        "user_ids": [user_id for _, user_id in seen],
        "seen": list(seen.values()),
    }
    rows = await connection.execute(_STALE, parameters)
    return [(OrgId(row.org_id), UserId(row.user_id)) for row in rows]


async def forget_old_deletions(database: Database) -> None:
    """Delete the records of old deletions; partitions that would need them are loaded afresh."""

    async def work() -> None:
        async with database.autocommit(Purpose.HOUSEKEEPING) as connection:
            await connection.execute(_FORGET, {"hours": _DELETIONS_LIFETIME_HOURS})

    await retried(work)


async def _bumped(
    connection: AsyncConnection, statement: TextClause, org_id: OrgId, user_ids: Iterable[UserId]
) -> Mapping[UserId, int]:
    rows = (await connection.execute(statement, {"org_id": org_id, "user_ids": list(set(user_ids))})).all()
    versions = {UserId(row.user_id): row.version for row in rows}
    if new := [row.user_id for row in rows if row.new]:
        begun = await connection.execute(_BEGIN, {"org_id": org_id, "user_ids": new})
        versions |= {UserId(row.user_id): row.version for row in begun}
    return versions
