"""Where the data is: an operator's Postgres, or the embedded one."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


class InvalidDatabaseUrl(ValueError):
    """A text that names no Postgres. The text itself is not repeated: it may hold a password."""


@dataclass(frozen=True, slots=True)
class StorageLocation:
    """Which Postgres to use, and how to speak of it."""

    storage_type: str
    """"postgres" or "embedded-postgres"."""
    storage_label: str
    """For people; never a secret."""


def location_of(database_url: str | None, data_dir: Path) -> StorageLocation:
    """How to speak of the Postgres at `database_url`, or of the embedded one in `data_dir`.

    Raises:
        InvalidDatabaseUrl: The URL names no Postgres.
    """
    if database_url is None:
        return StorageLocation("embedded-postgres", str(data_dir))
    url = make_url(driver_url(database_url))
    return StorageLocation("postgres", f"{url.host or 'local'}/{url.database or url.username or ''}")


def driver_url(database_url: str) -> str:
    """The URL for our driver of a Postgres that is named in the usual way: `postgresql://user:password@host/database`.

    Raises:
        InvalidDatabaseUrl: The URL names no Postgres.
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):  # The latter for a port that is no number.
        url = None
    if url is None or url.drivername not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        message = "the database URL must look like postgresql://user:password@host:5432/database"
        raise InvalidDatabaseUrl(message)
    query = dict(url.query)
    if "sslmode" in query:
        # The same values, under the name that the driver has for it.
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query).render_as_string(hide_password=False)
