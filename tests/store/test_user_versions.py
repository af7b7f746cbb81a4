"""Versions of a user grow in the order of commits, whoever gives them."""

import asyncio
from collections.abc import Sequence

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store import user_versions
from reflexio_server.store.database import Database
from sqlalchemy import text


async def state(database: Database, org_id: OrgId, user_id: UserId) -> tuple[int, int]:
    query = text("select version, reload_before from user_versions where org_id = :org_id and user_id = :user_id")
    async with database.autocommit(org_id) as connection:
        row = (await connection.execute(query, {"org_id": org_id, "user_id": user_id})).one()
    return row.version, row.reload_before


async def bump(database: Database, org_id: OrgId, users: Sequence[UserId], seen: list[tuple[UserId, int]]) -> None:
    """Give new versions; what was given is noted before the lock is let go, so in the order of the locks."""
    async with database.transaction(org_id) as connection:
        versions = await user_versions.bump(connection, org_id, users)
        seen.extend(versions.items())
        await connection.commit()


async def test_the_first_version_is_one_from_which_everything_is_new(
    database: Database, org_id: OrgId, user_id: UserId
):
    seen: list = []
    await bump(database, org_id, [user_id], seen)
    version, reload_before = await state(database, org_id, user_id)
    assert seen == [(user_id, version)]
    assert reload_before <= version
    await bump(database, org_id, [user_id], seen)
    assert (await state(database, org_id, user_id)) == (seen[1][1], reload_before)


async def test_versions_grow_in_the_order_of_the_locks(database: Database, org_id: OrgId, user_id: UserId):
    users = [UserId(f"{user_id} {n}") for n in range(3)]
    choices = [[users[n % 3]] if n % 2 else [users[(n + k) % 3] for k in range(n % 3 + 1)] for n in range(60)]
    seen: list[tuple[UserId, int]] = []
    await asyncio.gather(*(bump(database, org_id, chosen, seen) for chosen in choices))
    for user in users:
        versions = [version for of_user, version in seen if of_user == user]
        assert versions == sorted(set(versions))
        assert (await state(database, org_id, user))[0] == versions[-1]


async def test_a_user_named_twice_gets_one_version(database: Database, org_id: OrgId, user_id: UserId):
    seen: list = []
    await bump(database, org_id, [user_id, user_id], seen)
    assert len(seen) == 1


async def test_what_is_not_committed_leaves_no_version(database: Database, org_id: OrgId, user_id: UserId):
    seen: list = []
    await bump(database, org_id, [user_id], seen)
    async with database.transaction(org_id) as connection:
        await user_versions.bump(connection, org_id, [user_id])
    assert (await state(database, org_id, user_id))[0] == seen[0][1]


async def test_a_version_is_held_until_the_end_of_the_transaction(database: Database, org_id: OrgId, user_id: UserId):
    seen: list = []
    async with database.transaction(org_id) as connection:
        first = (await user_versions.bump(connection, org_id, [user_id]))[user_id]
        second = asyncio.create_task(bump(database, org_id, [user_id], seen))
        other = UserId(f"{user_id} 2")
        await bump(database, org_id, [other], seen)
        assert [user for user, _ in seen] == [other], "other users do not wait"
        await connection.commit()
    await second
    assert seen[-1][1] > first


async def test_a_user_who_was_erased_never_repeats_a_version(database: Database, org_id: OrgId, user_id: UserId):
    seen: list = []
    await bump(database, org_id, [user_id], seen)
    async with database.autocommit(org_id) as connection:
        await connection.execute(text("delete from user_versions where org_id = :org_id"), {"org_id": org_id})
    await bump(database, org_id, [user_id], seen)
    assert seen[1][1] > seen[0][1]


async def _deletion_of(database: Database, org_id: OrgId, user_id: UserId) -> int:
    async with database.transaction(org_id) as connection:
        version = (await user_versions.bump(connection, org_id, [user_id]))[user_id]
        record = text("insert into vector_deletions values (:org_id, :user_id, :version, '{1}')")
        await connection.execute(record, {"org_id": org_id, "user_id": user_id, "version": version})
        await connection.commit()
    return version


async def test_forgotten_deletions_make_older_caches_load_afresh(database: Database, org_id: OrgId, user_id: UserId):
    versions = [await _deletion_of(database, org_id, user_id) for _ in range(3)]
    age = text("""
        update vector_deletions set created_at = now() - interval '7 hours'
        where org_id = :org_id and version = any(:versions)""")
    async with database.autocommit(org_id) as connection:
        await connection.execute(age, {"org_id": org_id, "versions": versions[:2]})
    await user_versions.forget_old_deletions(database)
    version, reload_before = await state(database, org_id, user_id)
    assert (version, reload_before) == (versions[2], versions[1])
    left = text("select version from vector_deletions where org_id = :org_id")
    async with database.autocommit(org_id) as connection:
        assert list((await connection.execute(left, {"org_id": org_id})).scalars()) == [versions[2]]
