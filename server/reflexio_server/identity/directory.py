"""The accounts and keys of organisations, and the organisations. What changes anything is recorded with it."""

from collections.abc import Sequence

from reflexio_server.access.caller import AccessRole, Caller
from reflexio_server.access.keys import MOST_KEYS, new_key
from reflexio_server.access.passwords import Passwords
from reflexio_server.access.policy import Requirement, require
from reflexio_server.domain.access import Account, ApiKey, Author, CertificateIdentity, NewApiKey, Organization
from reflexio_server.domain.identity_errors import LastAdmin, NameTaken, NoAccount, NotFound, TooManyApiKeys
from reflexio_server.domain.ids import OrgId
from reflexio_server.store import accounts, api_keys, audit, certificate_identities, organizations
from reflexio_server.store.database import Database
from reflexio_server.store.reach import Purpose, narrow


class Directory:
    """Makes, lists and changes them, for callers of whom is known that they may, where it does not say otherwise."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self.database = database
        self._passwords = passwords

    async def create_api_key(
        self, caller: Caller, author: Author, name: str, role: AccessRole | None, email: str
    ) -> NewApiKey:
        """Make a key of the caller's account, or of another one for an administrator.

        Args:
            caller: Whose role it has at most.
            author: Who the audit trail says did it.
            name: What it is for.
            role: What it may do; None for as much as it can have.
            email: Of which account; empty for the caller's.

        Raises:
            PermissionDenied: It would be of another account or of a larger role than the caller's.
            NoAccount: The caller has none, and none is named.
            NotFound: There is no such account.
            TooManyApiKeys: The account has as many as it may have.
        """
        if role is not None:
            require(caller, Requirement[role.name])
        if not email and caller.account_id is None:
            raise NoAccount
        email = email or caller.subject
        if not (caller.account_id is not None and email == caller.subject):
            require(caller, Requirement.ADMIN)
        secret = new_key()
        key = None
        async with self.database.direct(caller.org_id) as connection, connection.transaction():
            account = await accounts.named(connection, caller.org_id, email)
            if account is not None:
                least = min(role or caller.role, caller.role, AccessRole(account.role))
                key = await api_keys.create(
                    connection, caller.org_id, account.account_id, secret, name, least, MOST_KEYS
                )
            if key is not None:
                target = f"key {key.api_key_id} of {email}, {least.name.lower()}"
                await audit.record(connection, caller.org_id, author, "create_api_key", target)
        if account is None:
            raise NotFound("account", email)
        if key is None:
            raise TooManyApiKeys(MOST_KEYS)
        return NewApiKey(secret, key)

    async def api_keys(
        self, caller: Caller, *, email: str, with_revoked: bool, before: int, limit: int
    ) -> Sequence[ApiKey]:
        """The keys that a caller may see, newest first: its account's, and for an administrator the organisation's."""
        account_id = None if caller.role is AccessRole.ADMIN else caller.account_id or 0
        return await api_keys.listed(
            self.database,
            caller.org_id,
            account_id=account_id,
            email=email,
            with_revoked=with_revoked,
            before=before,
            limit=limit,
        )

    async def revoke_api_key(self, caller: Caller, author: Author, api_key_id: int) -> ApiKey:
        """Make a key invalid.

        Raises:
            NotFound: There is no such key that the caller may revoke.
        """
        own = int(caller.credential_id) if caller.account_id is not None else 0
        api_key_id = api_key_id or own
        if api_key_id != own and caller.role is AccessRole.READER:
            raise NotFound("api_key", str(api_key_id))
        account_id = None if caller.role is AccessRole.ADMIN else caller.account_id or 0
        async with self.database.direct(caller.org_id) as connection, connection.transaction():
            key = await api_keys.revoke(connection, caller.org_id, api_key_id, account_id)
            if key is not None:
                target = f"key {key.api_key_id} of {key.account_email}"
                await audit.record(connection, caller.org_id, author, "revoke_api_key", target)
        if key is None:
            raise NotFound("api_key", str(api_key_id))
        return key

    async def create_account(
        self, org_id: OrgId, author: Author, email: str, role: AccessRole, password: str
    ) -> Account:
        """Make an account.

        Raises:
            NameTaken: The organisation has one of this address.
        """
        password_hash = await self._passwords.hash_of(password)
        async with self.database.direct(org_id) as connection, connection.transaction():
            account = await accounts.create(connection, org_id, email, role, password_hash)
            if account is not None:
                await audit.record(connection, org_id, author, "create_account", f"{email}, {role.name.lower()}")
        if account is None:
            raise NameTaken("account", email)
        return account

    async def accounts(self, org_id: OrgId, *, after: int, limit: int) -> Sequence[Account]:
        """The accounts of an organisation, oldest first."""
        return await accounts.listed(self.database, org_id, after=after, limit=limit)

    async def update_account(
        self,
        org_id: OrgId,
        author: Author,
        email: str,
        *,
        role: AccessRole | None,
        disabled: bool | None,
        password: str | None,
    ) -> Account:
        """Change what is not None.

        Raises:
            NotFound: There is no such account.
            LastAdmin: The organisation would have no administrator left.
        """
        password_hash = await self._passwords.hash_of(password) if password is not None else None
        changes = [f"role {role.name.lower()}"] if role is not None else []
        changes += [] if disabled is None else ["disabled" if disabled else "enabled"]
        changes += [] if password is None else ["password"]
        async with self.database.direct(org_id) as connection, connection.transaction():
            account = await accounts.update(
                connection, org_id, email, role=role, disabled=disabled, password_hash=password_hash
            )
            if account is not None and changes:
                await audit.record(connection, org_id, author, "update_account", f"{email}: {', '.join(changes)}")
            is_there = account is not None or await accounts.named(connection, org_id, email) is not None
        if account is None:
            raise LastAdmin(email) if is_there else NotFound("account", email)
        return account

    async def create_organization(
        self, org_id: OrgId, author: Author, name: str, email: str, password: str
    ) -> tuple[Organization, Account]:
        """Make an organisation with an administrator; `org_id` is whose audit trail has it beside its own.

        Raises:
            NameTaken: There is one of this name.
        """
        password_hash = await self._passwords.hash_of(password)
        account = None
        async with self.database.direct(Purpose.ADMINISTRATION) as connection, connection.transaction():
            made = await organizations.create(connection, name)
            if made is not None:
                await narrow(connection, made.org_id)
                account = await accounts.create(connection, made.org_id, email, AccessRole.ADMIN, password_hash)
                for trail in (org_id, made.org_id):
                    await narrow(connection, trail)
                    target = f"organisation {made.org_id} ({name}) with {email}"
                    await audit.record(connection, trail, author, "create_organization", target)
        if made is None or account is None:
            raise NameTaken("organization", name)
        return made, account

    async def organizations(self, *, after: int, limit: int) -> Sequence[Organization]:
        """All organisations, oldest first."""
        return await organizations.listed(self.database, after=after, limit=limit)

    async def create_certificate_identity(
        self, org_id: OrgId, author: Author, uri: str, organization: str, role: AccessRole
    ) -> CertificateIdentity:
        """Let a URI stand for an organisation; `org_id` is whose audit trail has it.

        Raises:
            NotFound: There is no such organisation.
            NameTaken: The URI stands for one already.
        """
        identity = None
        async with self.database.direct(Purpose.ADMINISTRATION) as connection, connection.transaction():
            named = await organizations.named(connection, organization)
            if named is not None:
                await narrow(connection, named.org_id)
                identity = await certificate_identities.create(connection, named.org_id, uri, role)
            if identity is not None:
                target = f"{uri} for organisation {identity.org_id}, {role.name.lower()}"
                await narrow(connection, org_id)
                await audit.record(connection, org_id, author, "create_certificate_identity", target)
        if named is None:
            raise NotFound("organization", organization)
        if identity is None:
            raise NameTaken("certificate_identity", uri)
        return identity

    async def certificate_identities(self, *, after: int, limit: int) -> Sequence[CertificateIdentity]:
        """All identities, oldest first."""
        return await certificate_identities.listed(self.database, after=after, limit=limit)

    async def delete_certificate_identity(self, org_id: OrgId, author: Author, uri: str) -> None:
        """Let a URI stand for nobody; `org_id` is whose audit trail has it.

        Raises:
            NotFound: It stands for nobody.
        """
        async with self.database.direct(Purpose.ADMINISTRATION) as connection, connection.transaction():
            stood_for = await certificate_identities.delete(connection, uri)
            if stood_for is not None:
                target = f"{uri} for organisation {stood_for}"
                await narrow(connection, org_id)
                await audit.record(connection, org_id, author, "delete_certificate_identity", target)
        if stood_for is None:
            raise NotFound("certificate_identity", uri)
