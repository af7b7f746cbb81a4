"""Bringing the schema up to date at start-up."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from reflexio_server.store.database import Database

_LOCK = 7_263_541_880
"""An advisory lock that nobody else takes: replicas that start together migrate one after the other."""


async def migrate(database: Database, revision: str = "head") -> None:
    """Apply the migrations that the database lacks, up to a revision, under an advisory lock, in one transaction.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
    """
    async with database.transaction() as connection:
        await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_upgrade, revision)
        await connection.commit()


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
