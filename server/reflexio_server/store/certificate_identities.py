"""What the URI in a client's certificate stands for."""

from reflexio_server.access.caller import AccessRole, Caller, CredentialKind
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database

_CALLER = """
    select c.org_id, o.name, c.role from certificate_identities c join organizations o on o.org_id = c.org_id
    where c.uri = $1
"""


async def caller_of(database: Database, uri: str) -> Caller | None:
    """Who calls with a certificate of this URI; None where it stands for nobody.

    Raises:
        DatabaseUnavailable: Nobody knows.
    """
    async with database.direct() as connection:
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
