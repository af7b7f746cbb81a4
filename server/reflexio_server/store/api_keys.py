"""API keys, and the callers they stand for."""

from collections.abc import Sequence
from typing import Any

from reflexio_server.access.caller import AccessRole, Caller, CredentialKind
from reflexio_server.access.keys import hash_of, hint_of
from reflexio_server.domain.access import ApiKey
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.direct import DirectConnection
from reflexio_server.store.moments import nanoseconds
from reflexio_server.store.reach import Purpose

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
    with k as (
        insert into api_keys (org_id, account_id, key_hash, name, hint, role)
        select $1::bigint, $2::bigint, $3::bytea, $4::text, $5::text, $6::smallint
        where (
            select count(*) from api_keys where org_id = $1 and account_id = $2 and revoked_at is null
        ) < $7::bigint
        returning *
    )
    select k.api_key_id, k.name, k.hint, k.role, a.email, k.created_at, k.last_used_at, k.revoked_at from k
    join accounts a on a.org_id = k.org_id and a.account_id = k.account_id
"""

_LIST = """
    select k.api_key_id, k.name, k.hint, k.role, a.email, k.created_at, k.last_used_at, k.revoked_at from api_keys k
    join accounts a on a.org_id = k.org_id and a.account_id = k.account_id
    where k.org_id = $1 and k.api_key_id < $2 and ($3::bigint is null or k.account_id = $3)
        and ($4 = '' or a.email = $4) and ($5 or k.revoked_at is null)
    order by k.api_key_id desc limit $6
"""

_REVOKE = """
    with k as (
        update api_keys set revoked_at = coalesce(revoked_at, now())
        where org_id = $1 and api_key_id = $2 and ($3::bigint is null or account_id = $3)
        returning *
    )
    select k.api_key_id, k.name, k.hint, k.role, a.email, k.created_at, k.last_used_at, k.revoked_at from k
    join accounts a on a.org_id = k.org_id and a.account_id = k.account_id
"""

_REVOKE_ALL = """
    update api_keys set revoked_at = now() where org_id = $1 and account_id = $2 and revoked_at is null
    returning 1
"""

_USED = """
    update api_keys set last_used_at = now()
    where org_id = $1 and api_key_id = $2 and (last_used_at is null or last_used_at < now() - interval '1 hour')
"""


async def caller_of(database: Database, key_hash: bytes) -> tuple[Caller, bool] | None:
    """Who calls with the key of this hash, and whether its last use is to be noted; None where the key is not valid.

    Raises:
        DatabaseUnavailable: Nobody knows.
    """
    async with database.direct(Purpose.CREDENTIALS) as connection:
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
    connection: DirectConnection, org_id: OrgId, account_id: int, key: str, name: str, role: AccessRole, most: int
) -> ApiKey | None:
    """Keep the hash of a key. None where the account has `most` keys already that are not revoked."""
    arguments = (org_id, account_id, hash_of(key), name, hint_of(key), role, most)
    row = await connection.fetchrow(_CREATE, *arguments)
    return None if row is None else _key(row)


async def listed(
    database: Database,
    org_id: OrgId,
    *,
    account_id: int | None,
    email: str,
    with_revoked: bool,
    before: int,
    limit: int,
) -> Sequence[ApiKey]:
    """Keys of an organisation, newest first.

    Args:
        database: Where they are.
        org_id: Whose.
        account_id: Only those of this account.
        email: Only those of the account with this address; empty for all.
        with_revoked: Whether revoked ones too.
        before: Only those of smaller numbers.
        limit: How many at most.
    """
    async with database.direct(org_id) as connection:
        rows = await connection.fetch(_LIST, org_id, before, account_id, email, with_revoked, limit)
    return [_key(row) for row in rows]


async def revoke(connection: DirectConnection, org_id: OrgId, api_key_id: int, account_id: int | None) -> ApiKey | None:
    """Let nobody call with a key any more. One that is revoked stays so.

    Args:
        connection: Where it is.
        org_id: Whose it is.
        api_key_id: Which.
        account_id: Only where it belongs to this account; None for any of the organisation.

    Returns:
        The key; None where there is no such one.
    """
    row = await connection.fetchrow(_REVOKE, org_id, api_key_id, account_id)
    return None if row is None else _key(row)


async def revoke_all(connection: DirectConnection, org_id: OrgId, account_id: int) -> int:
    """Let nobody call with any key of an account. Returns how many were valid until now."""
    return len(await connection.fetch(_REVOKE_ALL, org_id, account_id))


async def note_use(database: Database, org_id: OrgId, api_key_id: int) -> None:
    """Note that a key was used just now."""
    async with database.direct(org_id) as connection:
        await connection.execute(_USED, org_id, api_key_id)


def _key(row: Sequence[Any]) -> ApiKey:
    api_key_id, name, hint, role, email, *moments = row
    created_at, last_used_at, revoked_at = map(nanoseconds, moments)
    return ApiKey(api_key_id, name, hint, role, email, created_at, last_used_at, revoked_at)
