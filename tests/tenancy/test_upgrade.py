"""Servers of the version before, which tell Postgres no organisation, beside those that do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
from reflexio_server.domain.ids import OrgId, RequestId, UserId
from reflexio_server.store import migrate as migrations
from reflexio_server.store import requests
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import SchemaTooNew, migrate
from reflexio_server.store.publications import _INSERT
from reflexio_server.store.published_rows import row_parameters
from reflexio_server.store.roles import ROLE
from reflexio_server.store.transition import close_barrier
from sqlalchemy import make_url, text

from tests.embed.eventually import eventually
from tests.running import Postgres, running_server
from tests.store.locking import somebody_waits
from tests.store.publishing import EVERYTHING, publication
from tests.tenancy.conftest import PATHS, behind, directly

_BEFORE = "0008"
"""The last revision without the barrier."""

_UNMARKED = "select tablename from pg_policies where policyname = 'unmarked'"

ONE, OTHER = OrgId(1), OrgId(2)


@asynccontextmanager
async def older_server(postgres: Postgres, url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as servers of the version before have it: its name, its user, and nothing told."""
    connection = await asyncpg.connect(
        host=postgres.superuser_url.query["host"],
        user=ROLE,
        database=make_url(url).database,
        server_settings={"application_name": "reflexio"},
    )
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=lambda value: value)
    yield connection
    await connection.close()


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    opened = Database(pool_size=3, statement_cache_size=0)
    opened.open(postgres.new_database())
    yield opened
    await opened.close()


@pytest.fixture
def url(database: Database) -> str:
    return database._engine.url.render_as_string(hide_password=False)


async def publish(connection: asyncpg.Connection, org_id: OrgId, interaction_id: int) -> RequestId:
    """The statement of a publish, which is the same in both versions."""
    said, request_id = publication(UserId("ann"), f"number {interaction_id}"), RequestId(uuid4())
    rows = row_parameters(said, request_id, 1, (interaction_id,), 30, "english")
    values = {"org_id": org_id, "key": "", "fingerprint": b"", "first_interaction_id": interaction_id, **rows}
    assert await connection.fetchval(_INSERT.sql, *_INSERT.arguments(values)) == 1
    return request_id


async def listed(connection: asyncpg.Connection, org_id: OrgId) -> set[RequestId]:
    found, _ = await requests.newest(connection, org_id, requests.RequestFilter(), 100, most_bytes=EVERYTHING)
    return {page.request.request_id for page in found}


async def test_an_older_server_works_on_until_it_leaves(postgres: Postgres, database: Database, url: str):
    await migrate(database, _BEFORE)
    async with older_server(postgres, url) as older:
        before = {org_id: await publish(older, org_id, 1) for org_id in (ONE, OTHER)}
        await migrate(database)
        beside = {org_id: await publish(older, org_id, 2) for org_id in (ONE, OTHER)}
        for org_id in (ONE, OTHER):
            async with database.direct(org_id) as newer:
                mine = await publish(newer, org_id, 3)
                assert await listed(newer, org_id) == {before[org_id], beside[org_id], mine}
            assert await listed(older, org_id) == {before[org_id], beside[org_id], mine}
        # For newer servers the barrier holds from the first moment.
        for path in PATHS:
            assert await path(database, None, "select * from interactions") == []
            assert await path(database, ONE, "select distinct org_id from interactions") == [(ONE,)]
        await close_barrier(database)
        assert await listed(older, ONE), "one that is there is not shut out"
        gone = await older.execute("delete from requests where org_id = 2")
        assert gone == "DELETE 3"

    async def closed() -> bool:
        await close_barrier(database)
        return await directly(database, None, _UNMARKED) == []

    await eventually(closed)
    async with older_server(postgres, url) as late:
        assert await late.fetch("select from interactions") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await publish(late, ONE, 4)


async def test_no_door_is_left_open_where_no_older_server_was(database: Database):
    await migrate(database)
    assert await directly(database, None, _UNMARKED) == []


async def test_a_server_closes_it_by_itself(postgres: Postgres, database: Database, url: str):
    await migrate(database, _BEFORE)
    async with older_server(postgres, url):
        await migrate(database)
        assert await directly(database, None, _UNMARKED)
    with running_server(url):

        async def closed() -> bool:
            return await directly(database, None, _UNMARKED) == []

        await eventually(closed)


async def test_a_migration_lets_others_go_on_while_it_cannot(
    postgres: Postgres, database: Database, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(migrations, "_PATIENCE", text("set local lock_timeout = '50ms'"))
    monkeypatch.setattr(migrations, "_SECONDS_BETWEEN", 0.01)
    await migrate(database, _BEFORE)
    async with older_server(postgres, url) as exporting, older_server(postgres, url) as publishing:
        async with exporting.transaction():
            await exporting.fetch("select from interactions")
            task = asyncio.ensure_future(migrate(database))
            for number in range(3):
                await somebody_waits(database, task)
                await publish(publishing, ONE, number)
        await task
        assert len(await listed(publishing, ONE)) == 3


async def test_a_server_that_is_older_than_the_schema_says_so(postgres: Postgres, database: Database, url: str):
    await migrate(database)
    async with behind(postgres, url) as truth:
        await truth.connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        await migrate(database)
    with pytest.raises(SchemaTooNew, match="newer version"), running_server(url):
        pass


async def test_a_folder_of_the_version_before_is_taken_over(postgres: Postgres):
    """Its tables are the superuser's, and so was the server."""
    name = make_url(postgres.new_database()).database
    superuser = postgres.superuser_url.set(database=name).render_as_string(hide_password=False)
    before = Database(pool_size=2, statement_cache_size=0)
    before.open(superuser)
    await migrate(before, _BEFORE)
    async with before.direct(None) as connection:
        kept = await publish(connection, ONE, 1)
    await before.close()
    with running_server(superuser) as started:
        opened = started.app._database

        async def of(org_id: OrgId | None) -> set[RequestId]:
            async with opened.direct(org_id) as connection:
                return await listed(connection, ONE)

        assert await started.run(of(ONE)) == {kept}
        assert await started.run(of(OTHER)) == await started.run(of(None)) == set()
