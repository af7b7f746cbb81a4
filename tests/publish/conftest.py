"""What tests of the write path share."""

import pytest
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.publications import PublicationStore


@pytest.fixture
def store(database: Database) -> PublicationStore:
    """Where publications go."""
    return PublicationStore(database, InteractionIds(database), "english")
