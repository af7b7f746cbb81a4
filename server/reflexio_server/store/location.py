"""Where the data is: an operator's Postgres, or the embedded one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_OPTIONS = {
    "host",
    "port",
    "user",
    "password",
    "database",
    "passfile",
    "service",
    "servicefile",
    "ssl",
    "sslmode",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
}
"""What a URL may say after its `?`: what the driver takes as a text."""

_HIGHEST_PORT = 65535


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
    if unknown := sorted(query.keys() - _OPTIONS):
        message = (
            f"the database URL must not have {', '.join(unknown)}; leave that out, or set the environment variable "
            "that Postgres's own programs read, such as PGSSLROOTCERT"
        )
        raise InvalidDatabaseUrl(message)
    if "sslmode" in query:
        # The same values, under the name that the driver has for it.
        query["ssl"] = query.pop("sslmode")
    url = url.set(drivername="postgresql+asyncpg", query=query)
    result = url.render_as_string(hide_password=False)
    _check_ports(result)
    return result


def driver_arguments(url: str) -> dict[str, Any]:
    """What `asyncpg.connect` is called with for a URL that `driver_url` gave."""
    parsed = make_url(url)
    arguments = dict(parsed.get_dialect()().create_connect_args(parsed)[1])
    for name in ("prepared_statement_cache_size", "prepared_statement_name_func"):
        arguments.pop(name, None)  # SQLAlchemy's own.
    return arguments


def _check_ports(url: str) -> None:
    """Several hosts have several ports.

    Raises:
        InvalidDatabaseUrl: One is no port.
    """
    try:
        ports = driver_arguments(url).get("port")
    except ArgumentError:
        ports = 0
    for port in ports if isinstance(ports, list) else [ports]:
        if port is not None and not 0 < port <= _HIGHEST_PORT:
            message = f"a port must be a number from 1 to {_HIGHEST_PORT}, and each of several hosts needs one"
            raise InvalidDatabaseUrl(message)
