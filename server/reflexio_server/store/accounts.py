"""Accounts: the people of an organisation, and what they may do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from reflexio_server.access.caller import AccessRole
from reflexio_server.domain.access import Account
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.direct import DirectConnection
from reflexio_server.store.moments import nanoseconds
from reflexio_server.store.reach import Purpose

_log = structlog.get_logger("reflexio")

_CREATE = """
    insert into accounts (org_id, email, role, password_hash) values ($1, $2, $3, $4)
    on conflict (org_id, email) do nothing
    returning org_id, account_id, email, role, created_at, disabled_at
"""

_NAMED = (
    "select org_id, account_id, email, role, created_at, disabled_at from accounts where org_id = $1 and email = $2"
)

_LIST = """
    select org_id, account_id, email, role, created_at, disabled_at from accounts
    where org_id = $1 and account_id > $2 order by account_id limit $3
"""

# Whoever changes who is an administrator waits for whoever does so already: else two could each leave the other one.
_LOCK = "select from organizations where org_id = $1 for no key update"

_UPDATE = """
    update accounts a set
        role = coalesce($3, role),
        disabled_at = case when $4::boolean is null then disabled_at when $4 then coalesce(disabled_at, now()) end,
        password_hash = coalesce($5, password_hash)
    where org_id = $1 and email = $2 and (
        role < 3 or disabled_at is not null or (coalesce($3, role) = 3 and not coalesce($4, false)) or exists (
            select from accounts other
            where other.org_id = $1 and other.account_id <> a.account_id and other.role = 3
                and other.disabled_at is null
        )
    )
    returning org_id, account_id, email, role, created_at, disabled_at
"""

# The organisation is not known yet: this is how it is found.
_CANDIDATE = """
    select a.org_id, o.name, a.account_id, a.role, a.password_hash, a.disabled_at is not null
    from accounts a join organizations o on o.org_id = a.org_id
    where a.email = $1 and ($2 = '' or o.name = $2)
    order by a.account_id limit 1
"""

_SET_HASH = "update accounts set password_hash = $3 where org_id = $1 and account_id = $2"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that somebody may be who logs in."""

    org_id: OrgId
    org_name: str
    account_id: int
    role: AccessRole
    password_hash: str = field(repr=False)
    disabled: bool


async def create(
    connection: DirectConnection, org_id: OrgId, email: str, role: AccessRole, password_hash: str
) -> Account | None:
    """Make an account; None where the organisation has one of this address."""
    return _account(await connection.fetchrow(_CREATE, org_id, email, role, password_hash))


async def named(connection: DirectConnection, org_id: OrgId, email: str) -> Account | None:
    """The account of an address in an organisation; None where there is none."""
    return _account(await connection.fetchrow(_NAMED, org_id, email))


async def listed(database: Database, org_id: OrgId, *, after: int, limit: int) -> Sequence[Account]:
    """Accounts of an organisation with larger numbers than `after`, in their order."""
    async with database.direct(org_id) as connection:
        rows = await connection.fetch(_LIST, org_id, after, limit)
    return [account for row in rows if (account := _account(row)) is not None]


async def update(
    connection: DirectConnection,
    org_id: OrgId,
    email: str,
    *,
    role: AccessRole | None,
    disabled: bool | None,
    password_hash: str | None,
) -> Account | None:
    """Change what is not None, in a transaction of the caller's.

    Returns:
        The account as it is now; None where there is none, or where it is the last administrator's and would be no
        administrator's any more: then nothing is changed.
    """
    await connection.execute(_LOCK, org_id)
    return _account(await connection.fetchrow(_UPDATE, org_id, email, role, disabled, password_hash))


async def candidate(database: Database, email: str, organization: str) -> Candidate | None:
    """The account of an address in the organisation that is named; where that is empty, the oldest in any of them."""
    async with database.direct(Purpose.CREDENTIALS) as connection:
        row = await connection.fetchrow(_CANDIDATE, email, organization)
    if row is None:
        return None
    org_id, org_name, account_id, role, password_hash, disabled = row
    return Candidate(OrgId(org_id), org_name, account_id, AccessRole(role), password_hash, disabled)


async def warn_if_there_are_any(database: Database) -> None:
    """Log that there are accounts, where the server asks nobody for a key: somebody may believe that it does."""
    async with database.direct(Purpose.CREDENTIALS) as connection:
        are_there = await connection.fetchval("select exists (select from accounts)")
    if are_there:
        _log.warning("there are accounts, but nobody is asked for a key: to ask, start with --auth api-key")


async def set_password(connection: DirectConnection, org_id: OrgId, account_id: int, password_hash: str) -> None:
    """Give an account another password."""
    await connection.execute(_SET_HASH, org_id, account_id, password_hash)


def _account(row: Sequence[Any] | None) -> Account | None:
    if row is None:
        return None
    org_id, account_id, email, role, created_at, disabled_at = row
    return Account(OrgId(org_id), account_id, email, role, nanoseconds(created_at), nanoseconds(disabled_at))
