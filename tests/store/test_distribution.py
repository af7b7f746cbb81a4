"""The schema can be spread over machines by organisation, as docs/scale.md says: nothing in it crosses one."""

import re
from pathlib import Path

import pytest
from reflexio_server.store.database import Database
from reflexio_server.store.tables import metadata
from sqlalchemy import text

CREDENTIALS = {"accounts", "api_keys", "certificate_identities", "login_limits"}
EVERYWHERE = {"organizations", "embedding_models", "alembic_version"} | CREDENTIALS
"""Small, the same for all, or looked up before the organisation is known: on every machine."""

SWEEPS = {"ix_embedding_queue_leased_until", "ix_idempotency_keys_created_at"}
"""Indexes for work over all organisations, which looks for what is due on each machine by itself."""

_COLUMNS = text("select table_name, column_name from information_schema.columns where table_schema = 'public'")

_CONSTRAINTS = text("""
    select rel.relname as table_name, c.conname as name, c.contype::text as kind, other.relname as refers_to,
           (select a.attname from pg_attribute a where a.attrelid = c.conrelid and a.attnum = c.conkey[1]) as leads
    from pg_constraint c join pg_class rel on rel.oid = c.conrelid left join pg_class other on other.oid = c.confrelid
    where c.connamespace = 'public'::regnamespace and c.contype in ('p', 'u', 'f', 'x')
""")

_INDEXES = text("""
    select rel.relname as table_name, ix.relname as name, i.indisunique as is_unique,
           (select a.attname from pg_attribute a where a.attrelid = i.indrelid and a.attnum = i.indkey[0]) as leads
    from pg_index i join pg_class rel on rel.oid = i.indrelid join pg_class ix on ix.oid = i.indexrelid
    where rel.relnamespace = 'public'::regnamespace
""")


@pytest.fixture
async def read(database: Database):
    async def rows(query):
        async with database.autocommit(None) as connection:
            return (await connection.execute(query)).all()

    return rows


async def test_every_table_of_somebody_has_an_organisation(read):
    columns = await read(_COLUMNS)
    with_one = {row.table_name for row in columns if row.column_name == "org_id"}
    assert {row.table_name for row in columns} - with_one <= EVERYWHERE
    assert "interactions" in with_one


async def test_every_key_leads_with_the_organisation_and_none_refers_beyond_it(read):
    constraints = [row for row in await read(_CONSTRAINTS) if row.table_name not in EVERYWHERE]
    assert {row.kind for row in constraints} >= {"p"}
    for row in constraints:
        assert row.leads == "org_id", f"{row.name} of {row.table_name}"
        if row.kind == "f":
            assert row.refers_to in EVERYWHERE, f"{row.name} of {row.table_name}"


async def test_every_index_leads_with_the_organisation_but_those_of_sweeps(read):
    indexes = [row for row in await read(_INDEXES) if row.table_name not in EVERYWHERE]
    others = {row.name for row in indexes if row.leads != "org_id"}
    assert others == SWEEPS
    assert not [row.name for row in indexes if row.is_unique and row.leads != "org_id"]


def test_the_commands_in_the_document_are_for_the_tables_that_there_are():
    told = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
    [listed] = re.findall(r"unnest\(array\[(.*?)\]\)", told, re.DOTALL)
    distributed = set(re.findall(r"'(\w+)'", listed))
    reference = set(re.findall(r"create_reference_table\('(\w+)'\)", told))
    assert distributed | reference == set(metadata.tables)
    assert reference == EVERYWHERE - {"alembic_version"}
