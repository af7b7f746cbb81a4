"""The blocking client's half that concerns who may call: logins, keys, accounts and organisations."""

from typing import TypeVar

from reflexio import _calls as calls
from reflexio import models
from reflexio._calls.call import Call
from reflexio._transport.exchange import Connection

T = TypeVar("T")


class AccessCalls:
    """Logins, keys, accounts, organisations and the audit trail."""

    _connection: Connection

    def _send(self, call: Call[T]) -> T:
        raise NotImplementedError

    def login(self, email: str, password: str, organization: str | None = None) -> models.LoginToken:
        """Log in, and make all further calls with the key that this gives. Needs no key.

        Keep `token.api_key`: it does not expire, and a client made with it need not log in. Each login makes another
        key. A server without authentication takes any address and password.

        Args:
            email: The address of the account; its case does not matter.
            password: Its password.
            organization: The organisation's name. Without it the account is the oldest of this address.

        Raises:
            LoginRefusedError: The address or the password is wrong.
            TooManyLoginsError: Too many logins failed; `retry_after` says when to come back.
        """
        self._connection.warn_if_readable("the password")
        on_key = self._connection.use_key
        call = calls.login(email=email, password=password, organization=organization, on_key=on_key)
        return self._send(call)

    def whoami(self) -> models.WhoAmI:
        """Whose data this client sees, and what it may do."""
        return self._send(calls.who_am_i())

    def change_password(
        self,
        email: str,
        current_password: str,
        new_password: str,
        *,
        organization: str | None = None,
        revoke_api_keys: bool = False,
    ) -> models.ChangePasswordResponse:
        """Give an account another password, of 12 characters at least. Needs no key, but the present password.

        Args:
            email: The address of the account.
            current_password: The present password.
            new_password: The next one.
            organization: As for `login`.
            revoke_api_keys: Whether to revoke all keys of the account, the one of this client among them.
        """
        self._connection.warn_if_readable("the password")
        call = calls.change_password(
            email=email,
            current_password=current_password,
            new_password=new_password,
            organization=organization,
            revoke_api_keys=revoke_api_keys,
        )
        return self._send(call)

    def create_api_key(
        self, name: str, role: str | None = None, *, account: str | None = None
    ) -> models.CreateApiKeyResponse:
        """Make a key. It is shown this once.

        Args:
            name: What it is for, by which people know it again.
            role: `reader`, `member` or `admin`; None for as much as it may have. No more than this client's key has.
            account: The address of its account; None for one's own. Others need an administrator's key.
        """
        return self._send(calls.create_api_key(name=name, role=role, account=account))

    def list_api_keys(self, account: str | None = None, *, include_revoked: bool = False) -> list[models.ApiKey]:
        """The keys of one's account, newest first; for an administrator those of all accounts, or of `account`."""
        return self._send(calls.list_api_keys(account=account, include_revoked=include_revoked))

    def revoke_api_key(self, api_key_id: int | None = None) -> models.ApiKey:
        """Make a key invalid for ever, on every replica from the next call on; None for the key of this client."""
        return self._send(calls.revoke_api_key(api_key_id=api_key_id))

    def create_account(self, email: str, password: str, role: str | None = None) -> models.Account:
        """Make an account of one's organisation, a member's where no role is given. Needs an administrator's key."""
        return self._send(calls.create_account(email=email, password=password, role=role))

    def list_accounts(self) -> list[models.Account]:
        """The accounts of one's organisation, oldest first. Needs an administrator's key."""
        return self._send(calls.list_accounts())

    def update_account(
        self, email: str, *, role: str | None = None, disabled: bool | None = None, new_password: str | None = None
    ) -> models.Account:
        """Change what of an account is not None. Needs an administrator's key.

        The keys of a disabled account are invalid until it is enabled again.
        """
        return self._send(calls.update_account(email=email, role=role, disabled=disabled, new_password=new_password))

    def create_organization(
        self, name: str, admin_email: str, admin_password: str
    ) -> models.CreateOrganizationResponse:
        """Make an organisation with its first administrator. Needs the key of an administrator of organisation 1."""
        return self._send(calls.create_organization(name=name, admin_email=admin_email, admin_password=admin_password))

    def list_organizations(self) -> list[models.Organization]:
        """All organisations, oldest first. Needs the key of an administrator of organisation 1."""
        return self._send(calls.list_organizations())

    def create_certificate_identity(
        self, uri: str, organization: str, role: str | None = None
    ) -> models.CertificateIdentity:
        """Let calls whose client certificate has this URI be made for an organisation; None for a member's role.

        Needs the key of an administrator of organisation 1.
        """
        return self._send(calls.create_certificate_identity(uri=uri, organization=organization, role=role))

    def list_certificate_identities(self) -> list[models.CertificateIdentity]:
        """All such URIs, oldest first. Needs the key of an administrator of organisation 1."""
        return self._send(calls.list_certificate_identities())

    def delete_certificate_identity(self, uri: str) -> None:
        """Let a URI stand for nobody any more. Needs the key of an administrator of organisation 1."""
        self._send(calls.delete_certificate_identity(uri=uri))

    def list_audit_events(self, action: str | None = None, top_k: int = 100) -> list[models.AuditEvent]:
        """What administrators did and who logged in or tried to, newest first. Needs an administrator's key.

        Args:
            action: Only this: `login`, `erase_user`, `export_data`… `access_service.proto` has all of them.
            top_k: How many at most.
        """
        return self._send(calls.list_audit_events(action=action, top_k=top_k))
