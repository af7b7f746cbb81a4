"""Bringing the schema up to date at start-up."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, text

from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import Conflict

_LOCK = 7_263_541_880
"""An advisory lock that nobody else takes: replicas that start together migrate one after the other."""


_PATIENCE = text("set local lock_timeout = '3s'")
"""For the lock of a table: while a migration waits for it, so does whoever comes after."""

_ATTEMPTS = 100
_SECONDS_BETWEEN = 1.0


class SchemaTooNew(Exception):
    """A newer version of the server has migrated the database."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"a newer version of Reflexio has changed the database (to schema {revision}, which this one does not "
            "know); start that version, or a backup from before"
        )


async def migrate(database: Database, revision: str = "head") -> None:
    """Apply the migrations that the database lacks, up to a revision, under an advisory lock, in one transaction.

    Older servers may be at work: where they hold a table for long, an export perhaps, it is tried again.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
        SchemaTooNew: The database has migrations that this version does not know.
        Conflict: It was tried for some minutes.
    """
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            async with database.transaction(None) as connection:
                await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                await connection.execute(_PATIENCE)
                await connection.run_sync(_upgrade, revision)
                await connection.commit()
        except Conflict:
            if not attempts_left:
                raise
            await asyncio.sleep(_SECONDS_BETWEEN)
        else:
            return


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    there = MigrationContext.configure(connection).get_current_revision()
    try:
        known.get_revision(there or "base")
    except (CommandError, ResolutionError):
        raise SchemaTooNew(str(there)) from None
    command.upgrade(config, revision)
