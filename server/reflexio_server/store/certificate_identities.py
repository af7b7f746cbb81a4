"""What the URI in a client's certificate stands for."""

from collections.abc import Sequence
from typing import Any

from reflexio_server.access.caller import AccessRole, Caller, CredentialKind
from reflexio_server.domain.access import CertificateIdentity
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.direct import DirectConnection
from reflexio_server.store.moments import nanoseconds
from reflexio_server.store.reach import Purpose

_CALLER = """
    select c.org_id, o.name, c.role from certificate_identities c join organizations o on o.org_id = c.org_id
    where c.uri = $1
"""

_CREATE = """
    with c as (
        insert into certificate_identities (org_id, uri, role) values ($1, $2, $3)
        on conflict (uri) do nothing
        returning *
    )
    select c.certificate_identity_id, c.uri, c.org_id, o.name, c.role, c.created_at from c
    join organizations o on o.org_id = c.org_id
"""

_LIST = """
    select c.certificate_identity_id, c.uri, c.org_id, o.name, c.role, c.created_at from certificate_identities c
    join organizations o on o.org_id = c.org_id
    where c.certificate_identity_id > $1 order by c.certificate_identity_id limit $2
"""

_DELETE = "delete from certificate_identities where uri = $1 returning org_id"


async def caller_of(database: Database, uri: str) -> Caller | None:
    """Who calls with a certificate of this URI; None where it stands for nobody.

    Raises:
        DatabaseUnavailable: Nobody knows.
    """
    async with database.direct(Purpose.CREDENTIALS) as connection:
        row = await connection.fetchrow(_CALLER, uri)
    if row is None:
        return None
    org_id, org_name, role = row
    return Caller(
        OrgId(org_id),
        org_name,
        AccessRole(role),
        credential_kind=CredentialKind.CERTIFICATE,
        credential_id=uri,
        subject=uri,
    )


async def create(connection: DirectConnection, org_id: OrgId, uri: str, role: AccessRole) -> CertificateIdentity | None:
    """Let a URI stand for an organisation; None where it stands for one already."""
    row = await connection.fetchrow(_CREATE, org_id, uri, role)
    return None if row is None else _identity(row)


async def listed(database: Database, *, after: int, limit: int) -> Sequence[CertificateIdentity]:
    """The identities of larger numbers than `after`, in their order."""
    async with database.direct(Purpose.ADMINISTRATION) as connection:
        rows = await connection.fetch(_LIST, after, limit)
    return [_identity(row) for row in rows]


async def delete(connection: DirectConnection, uri: str) -> OrgId | None:
    """Let a URI stand for nobody. Returns the organisation that it stood for; None where there was none."""
    org_id = await connection.fetchval(_DELETE, uri)
    return None if org_id is None else OrgId(org_id)


def _identity(row: Sequence[Any]) -> CertificateIdentity:
    number, uri, org_id, org_name, role, created_at = row
    return CertificateIdentity(number, uri, OrgId(org_id), org_name, role, nanoseconds(created_at))
