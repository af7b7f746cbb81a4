"""A server for callers of two organisations, and the database behind it as its superuser sees it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from reflexio_server.store.database import Database
from sqlalchemy import make_url, text

from tests.rpc import wire
from tests.running import Postgres, RunningServer, running_server
from tests.tenancy.organisations import Organisation, two_organisations

_TABLES = """
    select c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid
    where a.attname = 'org_id' and not a.attisdropped and c.relkind = 'r'
      and c.relnamespace = current_schema()::regnamespace
    order by 1
"""
_NEEDED = """
    select attname, format_type(atttypid, null) from pg_attribute
    where attrelid = $1::regclass and attnum > 0 and attnotnull and not attisdropped
      and (attname = 'org_id' or not atthasdef and attidentity = '')
"""
_VALUES = {
    "bigint": "(3e9 + random() * 1e9)::bigint",
    "integer": "1",
    "smallint": "1",
    "boolean": "false",
    "text": "gen_random_uuid()::text",
    "uuid": "gen_random_uuid()",
    "bytea": "uuid_send(gen_random_uuid())",
    "timestamp with time zone": "now()",
    "bigint[]": "'{}'",
}


@dataclass(frozen=True)
class Behind:
    """The database, past the barrier."""

    connection: asyncpg.Connection

    async def tables(self) -> list[str]:
        """Every table that has organisations, whoever made it."""
        return [row["relname"] for row in await self.connection.fetch(_TABLES)]

    async def rows_of(self, org_id: int) -> dict[str, list[str]]:
        """Everything that an organisation has, in order."""
        return {
            table: [
                row[0]
                for row in await self.connection.fetch(
                    f"select t::text from {table} t where org_id = $1 order by 1", org_id
                )
            ]
            for table in await self.tables()
        }

    async def fill(self, table: str, org_id: int) -> None:
        """See to it that an organisation has a row in a table."""
        if not await self.connection.fetchval(f"select exists (select from {table} where org_id = $1)", org_id):
            await self.connection.execute(await self.inserting(table, org_id))

    async def inserting(self, table: str, org_id: int) -> str:
        """A statement that stores a row of an organisation, with whatever values."""
        columns = [tuple(row) for row in await self.connection.fetch(_NEEDED, table)]
        values = [str(org_id) if name == "org_id" else _VALUES[kind] for name, kind in columns]
        names = ", ".join(name for name, _ in columns)
        return f"insert into {table} ({names}) values ({', '.join(values)})"


async def directly(database: Database, reach: Any, query: str) -> list[Any]:
    async with database.direct(reach) as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def by_sqlalchemy(database: Database, reach: Any, query: str) -> list[Any]:
    async with database.autocommit(reach) as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def in_a_transaction(database: Database, reach: Any, query: str) -> list[Any]:
    async with database.transaction(reach) as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def in_a_snapshot(database: Database, reach: Any, query: str) -> list[Any]:
    async with database.snapshot(reach) as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


PATHS = [directly, by_sqlalchemy, in_a_transaction, in_a_snapshot]
"""The ways in which the server reads."""


@asynccontextmanager
async def behind(postgres: Postgres, url: str) -> AsyncIterator[Behind]:
    """The database at `url`, as the superuser sees it."""
    superuser = postgres.superuser_url
    connection = await asyncpg.connect(
        host=superuser.query["host"], user=superuser.username, database=make_url(url).database
    )
    try:
        yield Behind(connection)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def tenants_url(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture(scope="session")
def tenants_server(tenants_url: str) -> Iterator[RunningServer]:
    """A server for callers with keys."""
    with running_server(tenants_url, auth="api-key") as started:
        yield started


@pytest.fixture(scope="session")
async def making(tenants_url: str, tenants_server: RunningServer) -> AsyncIterator[Database]:
    """Where organisations are made."""
    opened = Database(pool_size=2, statement_cache_size=100)
    opened.open(tenants_url)
    yield opened
    await opened.close()


@pytest.fixture
async def two(tenants_server: RunningServer, making: Database) -> AsyncIterator[tuple[Organisation, Organisation]]:
    """Two organisations that have everything in common, and nobody else uses."""
    async with AsyncExitStack() as used:
        caller = wire.Caller(tenants_server.target)
        used.push_async_callback(caller.channel.close)
        yield await two_organisations(caller, making)


@pytest.fixture(scope="session")
async def settled(tenants_server: RunningServer, making: Database) -> AsyncIterator[tuple[Organisation, Organisation]]:
    """Two such organisations for tests that leave everything as it was."""
    caller = wire.Caller(tenants_server.target)
    yield await two_organisations(caller, making)
    await caller.channel.close()


@pytest.fixture
async def truth(postgres: Postgres, tenants_url: str, tenants_server: RunningServer) -> AsyncIterator[Behind]:
    """The database of that server, past the barrier."""
    async with behind(postgres, tenants_url) as found:
        yield found
