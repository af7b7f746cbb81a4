"""Accounts: the people of an organisation, and what they may do."""

from reflexio_server.access.caller import AccessRole
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.direct import DirectConnection

_CREATE = """
    insert into accounts (org_id, email, role, password_hash) values ($1, $2, $3, $4)
    on conflict (org_id, email) do nothing
    returning account_id
"""


async def create(
    connection: DirectConnection, org_id: OrgId, email: str, role: AccessRole, password_hash: str
) -> int | None:
    """Make an account. Returns its number; None where the organisation has one of this address."""
    account_id: int | None = await connection.fetchval(_CREATE, org_id, email, role, password_hash)
    return account_id
