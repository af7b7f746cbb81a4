"""What tests of embedding share."""

from collections.abc import AsyncIterator

import pytest
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import migrate

from tests.contracts.corpus import Corpus
from tests.embed.gate import GatedEmbedder
from tests.running import Postgres


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    """A database of our own: a backlog takes the work of every organisation."""
    opened = Database(pool_size=10, statement_cache_size=100)
    opened.open(postgres.new_database())
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
def corpus(database, org_id) -> Corpus:
    return Corpus(database, org_id)


@pytest.fixture
def embedder() -> GatedEmbedder:
    return GatedEmbedder()


@pytest.fixture
async def embedding(embedder) -> AsyncIterator[EmbeddingThread]:
    thread = EmbeddingThread(embedder)
    await thread.start()
    yield thread
    embedder.open()
    await thread.stop()


@pytest.fixture
async def backlog(database, embedding) -> AsyncIterator[Backlog]:
    started = Backlog(database, embedding)
    started.start()
    yield started
    await started.stop()
