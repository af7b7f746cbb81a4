"""Organisations with an account and a key for each role, made in the database of a server."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from reflexio_server.access.caller import AccessRole
from reflexio_server.access.keys import new_key
from reflexio_server.domain.ids import OrgId
from reflexio_server.store import accounts, api_keys
from reflexio_server.store.database import Database
from reflexio_server.store.reach import Purpose, narrow

_numbers = count(1)


@dataclass(frozen=True)
class Tenant:
    """An organisation, with the keys of an administrator, a member and a reader."""

    org_id: OrgId
    name: str
    email: str
    """That of the account which all three keys belong to: an administrator's."""
    account_id: int
    keys: dict[AccessRole, str] = field(repr=False)
    key_ids: dict[AccessRole, int]

    def bearer(self, role: AccessRole = AccessRole.ADMIN) -> Sequence[tuple[str, str]]:
        """The metadata of a call with the key of a role."""
        return [("authorization", f"Bearer {self.keys[role]}")]


async def make_tenant(
    database: Database, *, org_id: int | None = None, email: str = "", password_hash: str = ""
) -> Tenant:
    """Make an organisation, or use one, and give it an administrator with keys."""
    number = next(_numbers)
    email = email or f"admin-{number}@example.com"
    name = f"organisation {number}"
    reach = Purpose.ADMINISTRATION if org_id is None else OrgId(org_id)
    async with database.direct(reach) as connection, connection.transaction():
        if org_id is None:
            org_id = await connection.fetchval("insert into organizations (name) values ($1) returning org_id", name)
        assert org_id is not None
        await narrow(connection, OrgId(org_id))
        account = await accounts.create(connection, OrgId(org_id), email, AccessRole.ADMIN, password_hash)
        assert account is not None
        keys = {role: new_key() for role in AccessRole}
        key_ids = {}
        for role, key in keys.items():
            whose = (OrgId(org_id), account.account_id)
            made = await api_keys.create(connection, *whose, key, f"the {role.name}'s", role, 1000)
            assert made is not None
            key_ids[role] = made.api_key_id
    return Tenant(OrgId(org_id), name, email, account.account_id, keys, key_ids)


def made(database_url: str, **options: object) -> Tenant:
    """The same for whoever has no event loop, and knows only where the database is."""

    async def make() -> Tenant:
        database = Database(pool_size=2, statement_cache_size=0)
        database.open(database_url)
        try:
            return await make_tenant(database, **options)  # type: ignore[arg-type]
        finally:
            await database.close()

    return asyncio.run(make())
