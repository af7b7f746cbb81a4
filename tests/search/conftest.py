"""What tests of the flows share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import migrate

from tests.fakes.embedder import FakeEmbedder
from tests.running import Postgres
from tests.search.flows import Replica


@pytest.fixture(scope="session")
async def replicas(postgres: Postgres) -> AsyncIterator[list[Replica]]:
    """Two servers' insides on one database of their own. Tests keep to an organisation of their own."""
    url = postgres.new_database()
    async with AsyncExitStack() as running:
        started = []
        for _ in range(2):
            database = Database(pool_size=5, statement_cache_size=100)
            database.open(url)
            running.push_async_callback(database.close)
            await migrate(database)
            started.append(await Replica.start(database, FakeEmbedder(), running))
        yield started


@pytest.fixture
def replica(replicas: list[Replica]) -> Replica:
    """One of them."""
    return replicas[0]
