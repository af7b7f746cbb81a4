"""API keys, and the callers they stand for."""

from reflexio_server.access.caller import AccessRole, Caller, CredentialKind
from reflexio_server.access.keys import hash_of, hint_of
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.direct import DirectConnection

# Sent with every call. The account and the organisation are read with it, so that a role that was lowered, an account
# that was disabled and a key that was revoked hold from the next call on, whichever replica is called.
_CALLER = """
    select k.org_id, o.name, least(k.role, a.role), k.api_key_id, k.account_id, a.email,
        k.last_used_at is null or k.last_used_at < now() - interval '1 hour'
    from api_keys k
    join accounts a on a.org_id = k.org_id and a.account_id = k.account_id
    join organizations o on o.org_id = k.org_id
    where k.key_hash = $1 and k.revoked_at is null and a.disabled_at is null
"""

_CREATE = """
    insert into api_keys (org_id, account_id, key_hash, name, hint, role) values ($1, $2, $3, $4, $5, $6)
    returning api_key_id
"""

_REVOKE = "update api_keys set revoked_at = now() where org_id = $1 and api_key_id = $2 and revoked_at is null"

_USED = "update api_keys set last_used_at = now() where org_id = $1 and api_key_id = $2"


async def caller_of(database: Database, key_hash: bytes) -> tuple[Caller, bool] | None:
    """Who calls with the key of this hash, and whether its last use is to be noted; None where the key is not valid.

    Raises:
        DatabaseUnavailable: Nobody knows.
    """
    async with database.direct() as connection:
        row = await connection.fetchrow(_CALLER, key_hash)
    if row is None:
        return None
    org_id, org_name, role, api_key_id, account_id, email, is_stale = row
    caller = Caller(
        OrgId(org_id),
        org_name,
        AccessRole(role),
        credential_kind=CredentialKind.API_KEY,
        credential_id=str(api_key_id),
        account_id=account_id,
        subject=email,
    )
    return caller, is_stale


async def create(
    connection: DirectConnection, org_id: OrgId, account_id: int, key: str, name: str, role: AccessRole
) -> int:
    """Keep the hash of a key. Returns the number by which it is known."""
    arguments = (org_id, account_id, hash_of(key), name, hint_of(key), role)
    api_key_id: int = await connection.fetchval(_CREATE, *arguments)
    return api_key_id


async def revoke(connection: DirectConnection, org_id: OrgId, api_key_id: int) -> None:
    """Let nobody call with a key any more. One that is revoked stays so."""
    await connection.execute(_REVOKE, org_id, api_key_id)


async def note_use(database: Database, org_id: OrgId, api_key_id: int) -> None:
    """Note that a key was used just now."""
    async with database.direct() as connection:
        await connection.execute(_USED, org_id, api_key_id)
