"""Statements that forget the organisation, on the server's own connections, for every table that there is."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.reach import Purpose
from reflexio_server.store.roles import ROLE, BarrierNotKept, require_barrier, role_for
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from tests.running import Postgres, running_server
from tests.tenancy.conftest import PATHS, Behind, behind, by_sqlalchemy, directly, in_a_transaction
from tests.tenancy.organisations import Organisation

_SEES = {
    Purpose.EMBEDDING: {"embedding_queue", "interactions"},
    Purpose.REINDEXING: {"embedding_queue", "interactions", "user_versions", "vectors"},
    Purpose.HOUSEKEEPING: {"idempotency_keys", "retention_policies", "user_versions", "vector_deletions"},
    Purpose.CREDENTIALS: {"accounts", "api_keys", "certificate_identities", "organizations"},
    Purpose.ADMINISTRATION: {"certificate_identities", "organizations"},
}
"""What each purpose reads of every organisation."""
_CHANGES = {
    Purpose.EMBEDDING: {"update embedding_queue"},
    Purpose.REINDEXING: {
        "insert embedding_queue",
        "update embedding_queue",
        "delete embedding_queue",
        "update user_versions",
        "delete vectors",
    },
    Purpose.HOUSEKEEPING: {
        "delete idempotency_keys",
        "update retention_policies",
        "update user_versions",
        "delete vector_deletions",
    },
    Purpose.CREDENTIALS: set(),
    Purpose.ADMINISTRATION: {"insert organizations", "delete certificate_identities"},
}
"""What it changes of every organisation. Everything else of another one is out of its reach."""


@pytest.fixture(params=[False, True], ids=["sessions", "transactions"])
async def own(
    request: pytest.FixtureRequest, tenants_url: str, settled: tuple[Organisation, Organisation]
) -> AsyncIterator[Database]:
    """Connections as the server has them, few, so that they go from one organisation to the other.

    Both as they are told by the session, and by the transaction as behind a pooler.
    """
    opened = Database(pool_size=2, statement_cache_size=100, transaction_pooling=request.param)
    opened.open(tenants_url)
    yield opened
    await opened.close()


@pytest.mark.parametrize("path", PATHS)
async def test_without_an_organisation_there_is_nothing(own: Database, truth: Behind, path: Any):
    for table in await truth.tables():
        assert await path(own, None, f"select * from {table}") == [], table


@pytest.mark.parametrize("path", PATHS)
async def test_a_query_that_forgets_it_finds_ones_own_only(
    own: Database, truth: Behind, settled: tuple[Organisation, Organisation], path: Any
):
    tables = await truth.tables()
    assert {"requests", "interactions", "vectors", "organizations", "retention_policies"} <= set(tables)
    for _ in range(2):
        for mine in settled:
            for table in tables:
                found = await path(own, OrgId(mine.org_id), f"select distinct org_id from {table}")
                assert set(found) <= {(mine.org_id,)}, table


async def test_every_table_is_protected_from_its_owner_too(truth: Behind):
    unprotected = await truth.connection.fetch(
        "select relname from pg_class where relname = any($1) and not (relrowsecurity and relforcerowsecurity)",
        await truth.tables(),
    )
    assert unprotected == []


@pytest.mark.parametrize("purpose", _SEES)
async def test_a_purpose_sees_what_it_is_for(
    own: Database, truth: Behind, settled: tuple[Organisation, Organisation], purpose: Purpose
):
    theirs = {mine.org_id for mine in settled}
    seen = set()
    for table in await truth.tables():
        for org_id in theirs:
            await truth.fill(table, org_id)
        rows = {row[0] for row in await directly(own, purpose, f"select distinct org_id from {table}")}
        assert rows == set() or rows >= theirs, table
        seen |= {table} if rows else set()
    assert seen == _SEES[purpose]


@pytest.mark.parametrize("reach", [*_CHANGES, "another organisation", None], ids=str)
async def test_nothing_else_is_changed_by_whoever_forgets(
    own: Database, truth: Behind, settled: tuple[Organisation, Organisation], reach: Any
):
    one, other = settled
    changed = set()
    for table in await truth.tables():
        await truth.fill(table, other.org_id)
        statements = {
            "insert": f"{await truth.inserting(table, other.org_id)} returning {other.org_id}",
            "update": f"update {table} set org_id = org_id returning org_id",
            "delete": f"delete from {table} returning org_id",
        }
        for verb, statement in statements.items():
            async with own.direct(OrgId(one.org_id) if reach == "another organisation" else reach) as connection:
                undone = connection.transaction()
                await undone.start()
                with contextlib.suppress(asyncpg.InsufficientPrivilegeError, asyncpg.RaiseError):
                    try:
                        rows = [tuple(row) for row in await connection.fetch(statement)]
                    except asyncpg.UniqueViolationError:
                        rows = [(other.org_id,)]  # It got that far.
                    if (other.org_id,) in rows:
                        changed.add(f"{verb} {table}")
                await undone.rollback()
    assert changed == _CHANGES.get(reach, set())


async def test_a_setting_is_not_left_to_the_next(own: Database, settled: tuple[Organisation, Organisation]):
    """A statement that fails, a transaction that is undone: the next one reaches what it says and no further."""
    one, other = (OrgId(mine.org_id) for mine in settled)
    for _ in range(3):
        with pytest.raises(DBAPIError):
            async with own.transaction(one) as connection:
                await connection.execute(text("select 1/0"))
        for path in PATHS:
            assert await path(own, other, "select distinct org_id from interactions") == [(other,)]
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with own.direct(other) as direct:
                await direct.fetch("select 1/0")
        for path in PATHS:
            assert await path(own, one, "select distinct org_id from interactions") == [(one,)]
            assert await path(own, None, "select distinct org_id from interactions") == []


async def test_a_connection_that_serves_an_organisation_already_is_preferred(
    tenants_url: str, settled: tuple[Organisation, Organisation]
):
    own = Database(pool_size=2, statement_cache_size=100)
    own.open(tenants_url)
    one, other = (OrgId(mine.org_id) for mine in settled)
    pid = "select pg_backend_pid()"
    async with own.direct(one) as first, own.direct(other) as second:
        pids = {one: await first.fetchval(pid), other: await second.fetchval(pid)}
    for org_id in (one, other, other, one, one, other):
        for path in (directly, by_sqlalchemy, in_a_transaction):
            assert await path(own, org_id, pid) == [(pids[org_id],)]
    await own.close()


async def test_a_superuser_works_as_somebody_whom_the_barrier_binds(postgres: Postgres):
    """Also where the tables were made before, and are the superuser's."""
    url = postgres.superuser_url.set(database=postgres.new_database().split("/")[-1].split("?")[0])
    plain = url.render_as_string(hide_password=False)
    with running_server(plain) as started:
        who = "select current_user::text, session_user::text"
        assert await started.run(directly(started.app._database, None, who)) == [(ROLE, "postgres")]
    async with behind(postgres, plain) as truth:
        tables = await truth.tables()
        for table in tables:
            await truth.connection.execute(f"alter table {table} owner to postgres")
        with running_server(plain) as started:
            for table in tables:
                assert await started.run(directly(started.app._database, None, f"select * from {table}")) == []
            names = await started.run(directly(started.app._database, OrgId(1), "select name from organizations"))
            assert names == [("default",)]


async def test_a_superuser_works_as_the_owner_where_there_is_one(postgres: Postgres):
    url = make_url(postgres.new_database())
    plain = postgres.superuser_url.set(database=url.database).render_as_string(hide_password=False)
    async with behind(postgres, plain) as truth:
        await truth.connection.execute('create role "Some Owner"')
        await truth.connection.execute(f'alter database {url.database} owner to "Some Owner"')
        await truth.connection.execute("create table alembic_version (version_num text)")
        assert await role_for(plain) == ROLE
        await truth.connection.execute('alter table alembic_version owner to "Some Owner"')
        assert await role_for(plain) == "Some Owner"
        await truth.connection.execute("drop table alembic_version")
    opened = Database(pool_size=2, statement_cache_size=0)
    opened.open(plain, "Some Owner")
    assert await directly(opened, None, "select current_user::text") == [("Some Owner",)]
    await require_barrier(opened)
    await opened.close()


async def test_tables_of_other_applications_are_left_alone(postgres: Postgres):
    url = make_url(postgres.new_database())
    plain = postgres.superuser_url.set(database=url.database).render_as_string(hide_password=False)
    async with behind(postgres, plain) as truth:
        for role, table in (("app_one", "accounts"), ("app_two", "images")):
            await truth.connection.execute(f"create role {role}")
            await truth.connection.execute(f"create table {table} ()")
            await truth.connection.execute(f"alter table {table} owner to {role}")
        assert await role_for(plain) == ROLE
        owners = await truth.connection.fetch(
            "select tablename, tableowner from pg_tables where schemaname = 'public' order by 1"
        )
        assert [tuple(row) for row in owners] == [("accounts", "app_one"), ("images", "app_two")]


async def test_whoever_the_barrier_does_not_bind_is_refused(postgres: Postgres):
    exempt = Database(pool_size=2, statement_cache_size=0)
    exempt.open(postgres.superuser_url.render_as_string(hide_password=False))
    with pytest.raises(BarrierNotKept, match="postgres"):
        await require_barrier(exempt)
    await exempt.close()
    assert await role_for(postgres.new_database()) is None, "no superuser: it works as itself"
