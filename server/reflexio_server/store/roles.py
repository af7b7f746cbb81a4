"""As whom the server works in Postgres: row-level security does not bind superusers.

A superuser's connections work in the name of whoever owns the tables, or of a role that is made for that where it is a
superuser. Behind a pooler that cannot be had, and the server refuses to start.
"""

import asyncpg
import structlog
from sqlalchemy import text

from reflexio_server.store.database import CONNECT_SECONDS, Database
from reflexio_server.store.driver_errors import translated
from reflexio_server.store.location import driver_arguments
from reflexio_server.store.tables import metadata

_log = structlog.get_logger("reflexio.database")

ROLE = "reflexio_server"
"""Made where the server is given a superuser, the embedded Postgres's among them."""

_LOCK = 7_263_541_881
"""An advisory lock: replicas that start together do it one after the other."""

_TABLES = (*metadata.tables, "alembic_version")
_SEQUENCES = tuple(metadata._sequences)  # noqa: SLF001 -- there is no other list of those that belong to no column.

_FOREIGN_RELATIONS = """
    select c.oid::regclass::text as name, c.relkind = 'S' as is_sequence from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relname = any($1::text[])
      and c.relkind in ('r', 'S') and pg_get_userbyid(c.relowner) <> $2
    order by 2, 1
"""
_FOREIGN_FUNCTIONS = """
    select distinct p.oid::regprocedure::text as name from pg_trigger t
    join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
    where c.relnamespace = current_schema()::regnamespace and c.relname = any($1::text[]) and not t.tgisinternal
      and pg_get_userbyid(p.proowner) <> $2
"""
# Where it owns all of them.
_OWNER = """
    select min(r.rolname::text) from pg_class c join pg_roles r on r.oid = c.relowner
    where c.relnamespace = current_schema()::regnamespace and c.relname = any($1::text[]) and c.relkind = 'r'
    having count(distinct r.oid) = 1 and not bool_or(r.rolsuper or r.rolbypassrls)
"""
# Other applications have tables of such names too.
_ARE_OURS = """
    select count(*) = 3 from unnest(array['embedding_queue', 'user_versions', 'idempotency_keys']) as name
    where to_regclass(name) is not null
"""
_ME = "select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user"


class BarrierNotKept(Exception):
    """Postgres would not keep organisations apart for the user that the server was given."""


async def role_for(url: str, *, to_log_in: bool = False) -> str | None:
    """In whose name to work at `url`: None where its user will do, else a role that owns the tables from now on.

    Args:
        url: A SQLAlchemy URL of the asyncpg driver.
        to_log_in: Whether connections are to be made as that role, without a password: for the embedded Postgres.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
        DatabaseRefuses: It does not let the user of the URL in.
    """
    async with translated():
        # Whatever lies between, each statement is complete in itself.
        connection = await asyncpg.connect(**driver_arguments(url), statement_cache_size=0, timeout=CONNECT_SECONDS)
        try:
            async with connection.transaction():
                me = await connection.fetchrow(_ME)
                if not me["rolsuper"]:
                    return None
                owner: str | None = await connection.fetchval(_OWNER, list(_TABLES))
                if owner is not None:
                    return owner
                await _provide(connection)
                if to_log_in:
                    await connection.execute(f"alter role {ROLE} login")
        finally:
            await connection.close()
    return ROLE


async def require_barrier(database: Database) -> None:
    """Make sure that row-level security binds the connections of `database`.

    Raises:
        BarrierNotKept: It does not.
        DatabaseUnavailable: Postgres cannot be reached.
    """
    async with database.autocommit(None) as connection:
        me = (await connection.execute(text(_ME))).one()
    if me.rolsuper or me.rolbypassrls:
        what = "a superuser behind a pooler" if me.rolsuper else "exempt from row-level security"
        message = (
            f"the database user {me.rolname!r} is {what}, so Postgres would not keep organisations apart; "
            "give the server a user of its own that owns its tables (see docs/operations.md)"
        )
        raise BarrierNotKept(message)


async def _provide(connection: asyncpg.Connection) -> None:
    """Make the role, and have it own what is ours."""
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
    if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", ROLE):
        await connection.execute(f"create role {ROLE}")
        _log.info("made a role that row-level security binds", role=ROLE)
    schema = await connection.fetchval("select quote_ident(current_schema())")
    await connection.execute(f"grant usage, create on schema {schema} to {ROLE}")
    if not await connection.fetchval(_ARE_OURS):
        return
    for relation in await connection.fetch(_FOREIGN_RELATIONS, [*_TABLES, *_SEQUENCES], ROLE):
        kind = "sequence" if relation["is_sequence"] else "table"
        await connection.execute(f"alter {kind} {relation['name']} owner to {ROLE}")
    for function in await connection.fetch(_FOREIGN_FUNCTIONS, list(_TABLES), ROLE):
        await connection.execute(f"alter function {function['name']} owner to {ROLE}")
