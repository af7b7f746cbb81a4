"""Which embedding model a database is found to have that was there before it said so itself."""

from collections.abc import AsyncIterator

import pytest
from alembic import command
from alembic.config import Config
from reflexio_server.domain.ids import OrgId
from reflexio_server.store import embedding_models, migrate, vectors
from reflexio_server.store.database import Database
from reflexio_server.store.embedding_models import ModelRetired
from reflexio_server.store.vectors import EmbeddedText
from sqlalchemy import Connection, text

from tests.running import Postgres

_INTERACTION = """
    insert into interactions (org_id, interaction_id, user_id, request_id, session_id, source, role, content,
        shadow_content, expert_content, user_action, user_action_description, interacted_image_url, has_image,
        created_at)
    values (1, :id, 'ann', gen_random_uuid(), '', '', 'User', 'said', '', '', 0, '', '', false, :id)
"""
_VECTOR = """
    insert into vectors (org_id, interaction_id, model, chunk, user_id, version, dimension, vector)
    values (1, :id, :model, 0, 'ann', :id, 2, '\\x00000000')
"""


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncIterator[Database]:
    opened = Database(pool_size=2, statement_cache_size=0)
    opened.open(postgres.new_database())
    yield opened
    await opened.close()


async def migrated_up_to(database: Database, revision: str) -> None:
    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(migrate.Path(migrate.__file__).with_name("migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with database.transaction(None) as connection:
        await connection.run_sync(upgrade)
        await connection.commit()


async def state_of(database: Database) -> tuple[dict[str, str], list[int]]:
    """The state of each known model, and what waits for being embedded."""
    async with database.autocommit(OrgId(1)) as connection:
        known = {model.name: model.state for model in await embedding_models.all_known(connection)}
        queued = await connection.execute(text("select interaction_id from embedding_queue order by 1"))
        return known, list(queued.scalars())


@pytest.mark.parametrize(
    ("made_by", "states", "queued"),
    [
        ({}, {}, []),
        ({1: "a", 2: "a"}, {"a": "active"}, []),
        ({1: "a", 2: "a", 3: "b"}, {"a": "active", "b": "retired"}, [3]),
        ({1: "a", 2: "b"}, {"a": "retired", "b": "active"}, [1]),
    ],
    ids=["nothing", "one", "most decide", "of equals the newest"],
)
async def test_the_model_of_most_vectors_is_active_and_nothing_is_lost(
    empty: Database, made_by: dict[int, str], states: dict[str, str], queued: list[int]
):
    await migrated_up_to(empty, "0001")
    async with empty.autocommit(OrgId(1)) as connection:
        for interaction_id, model in made_by.items():
            await connection.execute(text(_INTERACTION), {"id": interaction_id})
            await connection.execute(text(_VECTOR), {"id": interaction_id, "model": model})
    await migrate.migrate(empty)
    assert await state_of(empty) == (states, queued)


async def test_vectors_of_a_model_that_is_not_active_are_refused_and_stay_in_the_queue(empty: Database):
    await migrate.migrate(empty)
    await embedding_models.activate_first(empty, "a", 2)
    await embedding_models.activate_first(empty, "b", 2)
    async with empty.autocommit(OrgId(1)) as connection:
        await connection.execute(text(_INTERACTION), {"id": 1})
        await connection.execute(text("insert into embedding_queue values (1, 1, 'ann', now())"))
    embedded = [EmbeddedText("ann", 1, [bytes(4)])]
    with pytest.raises(ModelRetired):
        await vectors.store(empty, 1, "b", 2, embedded)
    assert await state_of(empty) == ({"a": "active"}, [1])
    await vectors.store(empty, 1, "a", 2, embedded)
    assert await state_of(empty) == ({"a": "active"}, [])


async def test_a_lease_is_one_servers_and_a_new_one_ends_the_old(empty: Database):
    await migrate.migrate(empty)
    await embedding_models.activate_first(empty, "a", 2)
    await embedding_models.begin(empty, "b", 2)
    async with empty.autocommit(None) as connection:
        first = await embedding_models.claim(connection, "b", "building", 60)
        assert first is not None
        assert await embedding_models.claim(connection, "b", "building", 60) is None
        await embedding_models.renew(connection, first, 0)
        second = await embedding_models.claim(connection, "b", "building", 60)
        assert second is not None
        with pytest.raises(embedding_models.LeaseLost):
            await embedding_models.renew(connection, first, 60)
        await embedding_models.renew(connection, second, 60)
    assert await embedding_models.cancel(empty, first.token) is None
    assert await embedding_models.cancel(empty) == "b"
