"""Organisations."""

from collections.abc import Sequence
from typing import Any

from reflexio_server.domain.access import Organization
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.direct import DirectConnection
from reflexio_server.store.moments import nanoseconds
from reflexio_server.store.reach import Purpose

_CREATE = """
    insert into organizations (name) values ($1) on conflict (name) do nothing
    returning org_id, name, created_at
"""

_NAMED = "select org_id, name, created_at from organizations where name = $1"

_LIST = "select org_id, name, created_at from organizations where org_id > $1 order by org_id limit $2"


async def create(connection: DirectConnection, name: str) -> Organization | None:
    """Make an organisation; None where one has the name."""
    return _organization(await connection.fetchrow(_CREATE, name))


async def named(connection: DirectConnection, name: str) -> Organization | None:
    """The organisation of a name; None where there is none."""
    return _organization(await connection.fetchrow(_NAMED, name))


async def listed(database: Database, *, after: int, limit: int) -> Sequence[Organization]:
    """Organisations of larger numbers than `after`, in their order."""
    async with database.direct(Purpose.ADMINISTRATION) as connection:
        rows = await connection.fetch(_LIST, after, limit)
    return [organization for row in rows if (organization := _organization(row)) is not None]


def _organization(row: Sequence[Any] | None) -> Organization | None:
    if row is None:
        return None
    org_id, name, created_at = row
    return Organization(OrgId(org_id), name, nanoseconds(created_at))
