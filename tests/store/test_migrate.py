"""The schema is brought up to date once, however often and by however many it is asked for."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store import vectors
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import migrate
from reflexio_server.store.tables import metadata
from sqlalchemy import Connection, inspect, text

from tests.running import Postgres


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncIterator[list[Database]]:
    """Three servers' views of one database without tables."""
    url = postgres.new_database()
    servers = [Database(pool_size=2, statement_cache_size=100) for _ in range(3)]
    for server in servers:
        server.open(url)
    yield servers
    for server in servers:
        await server.close()


async def test_several_at_once_and_again_make_it_once(empty: list[Database]):
    await asyncio.gather(*map(migrate, empty))
    async with empty[0].transaction(OrgId(2)) as connection:
        await connection.execute(text("insert into organizations (org_id, name) values (2, 'kept')"))
        await connection.commit()
    await migrate(empty[0])
    for org_id, name in ((OrgId(1), "default"), (OrgId(2), "kept")):
        async with empty[1].autocommit(org_id) as connection:
            assert (await connection.execute(text("select count(*) from alembic_version"))).scalar_one() == 1
            assert list((await connection.execute(text("select name from organizations"))).scalars()) == [name]


async def test_a_migration_that_fails_leaves_nothing(empty: list[Database]):
    async with empty[0].autocommit(None) as connection:
        await connection.execute(text("create table vectors (in_the_way int)"))
    with pytest.raises(Exception, match="vectors"):
        await migrate(empty[0])
    async with empty[0].autocommit(None) as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert tables == ["vectors"]
        await connection.execute(text("drop table vectors"))
    await migrate(empty[0])


def _differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


async def test_the_migrations_end_in_the_tables_that_the_code_knows(database: Database):
    async with database.autocommit(None) as connection:
        assert await connection.run_sync(_differences) == []


async def test_every_table_leads_with_the_organisation(database: Database):
    def keys(connection: Connection) -> dict[str, list[str]]:
        found = inspect(connection)
        names = [name for name in found.get_table_names() if name != "alembic_version"]
        return {name: found.get_pk_constraint(name)["constrained_columns"] for name in names}

    async with database.autocommit(None) as connection:
        found = await connection.run_sync(keys)
    assert set(found) == set(metadata.tables)
    assert found.pop("embedding_models") == ["model"], "a few rows that concern all organisations"
    assert found.pop("login_limits") == ["bucket"], "who logs in has no organisation yet"
    assert {name: columns[0] for name, columns in found.items()} == dict.fromkeys(found, "org_id")


async def test_keys_of_before_are_erased_with_their_users(empty: list[Database]):
    """The second migration tells whose a key is; where nobody knows any more, no digest is kept."""
    await migrate(empty[0], "0001")
    async with empty[0].transaction(None) as connection:
        await connection.execute(
            text("""
            insert into requests values
                (1, '00000000-0000-0000-0000-000000000001', 'ann', '', '', '', false, false, 0, 0, 0)""")
        )
        await connection.execute(
            text("""
            insert into idempotency_keys
                (org_id, idempotency_key, request_id, fingerprint, first_interaction_id, interactions_count)
            values (1, 'kept', '00000000-0000-0000-0000-000000000001', 'x', 1, 1),
                   (1, 'orphaned', '00000000-0000-0000-0000-000000000002', 'y', 2, 1)""")
        )
        await connection.commit()
    await migrate(empty[0])
    async with empty[0].autocommit(OrgId(1)) as connection:
        query = "select idempotency_key, user_id, fingerprint from idempotency_keys order by 1"
        assert [tuple(row) for row in await connection.execute(text(query))] == [
            ("kept", "ann", b"x"),
            ("orphaned", "", b""),
        ]


async def test_vectors_of_before_have_the_words_of_their_texts(empty: list[Database]):
    """The fifth migration puts words beside vectors; where an older server stored these, the lexemes have them."""
    [database, *_] = empty
    await migrate(database, "0004")
    async with database.transaction(None) as connection:
        for statement in (
            """insert into interactions values
                (1, 7, 'ann', '00000000-0000-0000-0000-000000000001', '', '', 'Ann', 'tea for two', '', '', 1, '', '',
                 null, false, 5, to_tsvector('english', 'Ann tea for two'))""",
            "insert into user_versions values (1, 'ann', 3, 0)",
            "insert into vectors values (1, 7, 'old', 0, 'ann', 3, 2, 'abcd'), (1, 7, 'old', 1, 'ann', 3, 2, 'efgh')",
        ):
            await connection.execute(text(statement))
        await connection.commit()
    await migrate(database)
    found = await vectors.changes(
        database, OrgId(1), UserId("ann"), "old", 2, vectors_since=0, deletions_since=0, portion=10
    )
    assert (found.added.interaction_ids, found.added.piece_counts, found.added.vectors) == ([7], [2], b"abcdefgh")
    stems = [hashlib.sha256(stem).digest()[:4] for stem in (b"ann", b"tea", b"two")]
    assert sorted(found.added.words[start : start + 4] for start in (0, 4, 8)) == sorted(stems)
    assert found.added.word_counts == [3]
    async with database.autocommit(None) as connection:
        query = "select attstorage::text from pg_attribute where attrelid = 'vectors'::regclass and attname = 'words'"
        assert await connection.scalar(text(query)) == "e", "hashes do not compress"
