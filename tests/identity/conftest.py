"""A server that asks for keys, and organisations of which each test may make its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
from reflexio_server.store.database import Database

from tests.identity.tenants import Tenant, make_tenant
from tests.rpc.wire import Caller
from tests.running import Postgres, RunningServer, running_server


@dataclass(frozen=True)
class Keyed:
    """A server that asks for keys."""

    server: RunningServer
    database_url: str


@pytest.fixture(scope="session")
def keyed(postgres: Postgres) -> Iterator[Keyed]:
    """The one that these tests share. They keep to organisations of their own."""
    url = postgres.new_database()
    with running_server(url, auth="api-key") as server:
        yield Keyed(server, url)


@pytest.fixture(scope="session")
async def keyed_database(keyed: Keyed) -> AsyncIterator[Database]:
    """The database of that server."""
    opened = Database(pool_size=4, statement_cache_size=100)
    opened.open(keyed.database_url)
    yield opened
    await opened.close()


@pytest.fixture
def new_tenant(keyed_database: Database) -> Callable[..., Awaitable[Tenant]]:
    """Makes an organisation with an administrator, a member's and a reader's key."""
    return lambda **options: make_tenant(keyed_database, **options)


@pytest.fixture(scope="session")
async def ask(keyed: Keyed) -> AsyncIterator[Caller]:
    """Calls that server."""
    caller = Caller(keyed.server.target)
    yield caller
    await caller.channel.close()


@pytest.fixture(scope="session")
async def tenant(keyed_database: Database) -> Tenant:
    """An organisation that nobody changes."""
    return await make_tenant(keyed_database)
