"""Ending what a migration does for servers of the version before, once none of them is left."""

import structlog
from sqlalchemy import text

from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import Conflict

_log = structlog.get_logger("reflexio.database")

_OPEN = text("select tablename from pg_policies where schemaname = current_schema() and policyname = 'unmarked'")
_HAS_OLDER_SERVER = text("""
    select exists (
        select from pg_stat_activity where datname = current_database() and application_name = 'reflexio')
""")
# Whoever uses the tables for long, an export perhaps, must not have everybody wait behind us.
_PATIENCE = text("set local lock_timeout = '1s'")


async def close_barrier(database: Database) -> None:
    """Let no session through any more that was never told an organisation, where no older server is connected.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached; repeating it is safe.
    """
    try:
        async with database.transaction(None) as connection:
            tables = sorted((await connection.execute(_OPEN)).scalars())
            if not tables or (await connection.execute(_HAS_OLDER_SERVER)).scalar_one():
                return
            await connection.execute(_PATIENCE)
            for table in tables:
                await connection.execute(text(f"drop policy if exists unmarked on {table}"))
            await connection.commit()
    except Conflict:
        return  # It is tried again.
    _log.info("no older server is connected any more: the barrier between organisations holds for every session")
