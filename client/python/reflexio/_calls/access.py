"""Calls of the AccessService."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from reflexio._calls.call import Call, Method
from reflexio._calls.fields import INT64_MAX, condition, flag, integer, optional_text, text, wanted_count
from reflexio._calls.interactions import LARGEST_PAGE
from reflexio._calls.server import ROLES
from reflexio.errors import invalid_argument
from reflexio.models import (
    Account,
    ApiKey,
    AuditEvent,
    CertificateIdentity,
    ChangePasswordResponse,
    CreateApiKeyResponse,
    CreateOrganizationResponse,
    LoginToken,
    Organization,
)
from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1.server_service_pb2 import ACCESS_ROLE_UNSPECIFIED
from reflexio.v1.server_service_pb2 import AccessRole as Role

_SERVICE = "reflexio.v1.AccessService"


def _method(name: str) -> Method:
    return Method(_SERVICE, name, getattr(pb, f"{name}Request"), getattr(pb, f"{name}Response"))


LOGIN = _method("Login")
CHANGE_PASSWORD = _method("ChangePassword")
CREATE_API_KEY = _method("CreateApiKey")
LIST_API_KEYS = _method("ListApiKeys")
REVOKE_API_KEY = _method("RevokeApiKey")
CREATE_ACCOUNT = _method("CreateAccount")
LIST_ACCOUNTS = _method("ListAccounts")
UPDATE_ACCOUNT = _method("UpdateAccount")
CREATE_ORGANIZATION = _method("CreateOrganization")
LIST_ORGANIZATIONS = _method("ListOrganizations")
CREATE_CERTIFICATE_IDENTITY = _method("CreateCertificateIdentity")
LIST_CERTIFICATE_IDENTITIES = _method("ListCertificateIdentities")
DELETE_CERTIFICATE_IDENTITY = _method("DeleteCertificateIdentity")
LIST_AUDIT_EVENTS = _method("ListAuditEvents")

_ROLE_NUMBERS = {name: number for number, name in ROLES.items()}
_OUTCOMES = {
    pb.AUDIT_OUTCOME_ATTEMPTED: "attempted",
    pb.AUDIT_OUTCOME_DONE: "done",
    pb.AUDIT_OUTCOME_FAILED: "failed",
}
_EVERYTHING = 2**62

T = TypeVar("T")


def login(*, email: Any, password: Any, organization: Any, on_key: Callable[[str], object]) -> Call[LoginToken]:
    """Asks for a key; `on_key` is given it before the token is returned."""
    request = pb.LoginRequest(
        email=text("email", email),
        password=text("password", password),
        organization_name=optional_text("organization", organization),
    )

    def read(answer: pb.LoginResponse) -> LoginToken:
        on_key(answer.api_key)
        return LoginToken(
            api_key=answer.api_key,
            key=_key(answer.key) if answer.HasField("key") else None,
            organization_id=answer.organization_id,
            organization_name=answer.organization_name,
        )

    return Call(LOGIN, request, read, renamed={"organization_name": "organization"}, repeatable=False)


def change_password(
    *, email: Any, current_password: Any, new_password: Any, organization: Any, revoke_api_keys: Any
) -> Call[ChangePasswordResponse]:
    """Gives an account another password."""
    request = pb.ChangePasswordRequest(
        email=text("email", email),
        current_password=text("current_password", current_password),
        new_password=text("new_password", new_password),
        organization_name=optional_text("organization", organization),
        revoke_api_keys=flag("revoke_api_keys", revoke_api_keys),
    )

    def read(answer: pb.ChangePasswordResponse) -> ChangePasswordResponse:
        return ChangePasswordResponse(revoked_api_keys_count=answer.revoked_api_keys_count)

    return Call(CHANGE_PASSWORD, request, read, renamed={"organization_name": "organization"}, repeatable=False)


def create_api_key(*, name: Any, role: Any, account: Any) -> Call[CreateApiKeyResponse]:
    """Makes a key."""
    request = pb.CreateApiKeyRequest(
        name=text("name", name), role=_role(role), account_email=condition("account", account)
    )

    def read(answer: pb.CreateApiKeyResponse) -> CreateApiKeyResponse:
        return CreateApiKeyResponse(api_key=answer.api_key, key=_key(answer.key))

    return Call(CREATE_API_KEY, request, read, renamed={"account_email": "account"}, repeatable=False)


def list_api_keys(*, account: Any, include_revoked: Any) -> Call[list[ApiKey]]:
    """All keys that the caller may see."""
    request = pb.ListApiKeysRequest(
        account_email=condition("account", account), include_revoked=flag("include_revoked", include_revoked)
    )
    return _pages(LIST_API_KEYS, request, lambda page: map(_key, page.keys), {"account_email": "account"})


def revoke_api_key(*, api_key_id: Any) -> Call[ApiKey]:
    """Makes a key invalid."""
    number = 0 if api_key_id is None else integer("api_key_id", api_key_id, INT64_MAX)
    if api_key_id is not None and number == 0:
        raise invalid_argument("api_key_id", "must be at least 1; leave it out for the key of this client")
    return Call(REVOKE_API_KEY, pb.RevokeApiKeyRequest(api_key_id=number), lambda answer: _key(answer.key))


def create_account(*, email: Any, password: Any, role: Any) -> Call[Account]:
    """Makes an account."""
    request = pb.CreateAccountRequest(email=text("email", email), password=text("password", password), role=_role(role))
    return Call(CREATE_ACCOUNT, request, lambda answer: _account(answer.account), repeatable=False)


def list_accounts() -> Call[list[Account]]:
    """All accounts of the organisation."""
    return _pages(LIST_ACCOUNTS, pb.ListAccountsRequest(), lambda page: map(_account, page.accounts))


def update_account(*, email: Any, role: Any, disabled: Any, new_password: Any) -> Call[Account]:
    """Changes what is not None."""
    request = pb.UpdateAccountRequest(email=text("email", email), role=_role(role))
    if disabled is not None:
        request.disabled = flag("disabled", disabled)
    if new_password is not None:
        request.new_password = text("new_password", new_password)
    return Call(UPDATE_ACCOUNT, request, lambda answer: _account(answer.account))


def create_organization(*, name: Any, admin_email: Any, admin_password: Any) -> Call[CreateOrganizationResponse]:
    """Makes an organisation."""
    request = pb.CreateOrganizationRequest(
        name=text("name", name),
        admin_email=text("admin_email", admin_email),
        admin_password=text("admin_password", admin_password),
    )

    def read(answer: pb.CreateOrganizationResponse) -> CreateOrganizationResponse:
        return CreateOrganizationResponse(organization=_organization(answer.organization), admin=_account(answer.admin))

    return Call(CREATE_ORGANIZATION, request, read, repeatable=False)


def list_organizations() -> Call[list[Organization]]:
    """All organisations."""
    request = pb.ListOrganizationsRequest()
    return _pages(LIST_ORGANIZATIONS, request, lambda page: map(_organization, page.organizations))


def create_certificate_identity(*, uri: Any, organization: Any, role: Any) -> Call[CertificateIdentity]:
    """Lets a URI stand for an organisation."""
    request = pb.CreateCertificateIdentityRequest(
        uri=text("uri", uri), organization_name=text("organization", organization), role=_role(role)
    )
    renamed = {"organization_name": "organization"}
    return Call(
        CREATE_CERTIFICATE_IDENTITY,
        request,
        lambda answer: _identity(answer.identity),
        renamed=renamed,
        repeatable=False,
    )


def list_certificate_identities() -> Call[list[CertificateIdentity]]:
    """All identities."""
    request = pb.ListCertificateIdentitiesRequest()
    return _pages(LIST_CERTIFICATE_IDENTITIES, request, lambda page: map(_identity, page.identities))


def delete_certificate_identity(*, uri: Any) -> Call[None]:
    """Lets a URI stand for nobody."""
    request = pb.DeleteCertificateIdentityRequest(uri=text("uri", uri))
    return Call(DELETE_CERTIFICATE_IDENTITY, request, lambda _: None, repeatable=False)


def list_audit_events(*, action: Any, top_k: Any) -> Call[list[AuditEvent]]:
    """The newest events."""
    request = pb.ListAuditEventsRequest(action=condition("action", action))
    wanted = wanted_count("top_k", top_k)
    return _pages(LIST_AUDIT_EVENTS, request, lambda page: map(_event, page.events), {"page_size": "top_k"}, wanted)


def _pages(
    method: Method,
    request: Any,
    items: Callable[[Any], Any],
    renamed: dict[str, str] | None = None,
    wanted: int = _EVERYTHING,
    found: Sequence[T] = (),
) -> Call[list[T]]:
    """As many pages as it takes."""
    request.page_size = min(wanted - len(found), LARGEST_PAGE)

    def read(answer: Any) -> list[T] | Call[list[T]]:
        together = [*found, *items(answer)]
        if not answer.next_page_token or len(together) >= wanted:
            return together
        following: Message = type(request)()
        following.CopyFrom(request)
        following.page_token = answer.next_page_token  # type: ignore[attr-defined]  # Every list has pages.
        return _pages(method, following, items, renamed, wanted, together)

    return Call(method, request, read, renamed=renamed or {})


def _role(role: Any) -> Role.ValueType:
    if role is None:
        return ACCESS_ROLE_UNSPECIFIED
    number = _ROLE_NUMBERS.get(text("role", role).lower())
    if number is None:
        raise invalid_argument("role", f"must be one of {', '.join(_ROLE_NUMBERS)}, not {role!r}")
    return number


def _seconds(message: Message, name: str) -> int | None:
    moment: Timestamp = getattr(message, name)
    return moment.seconds if message.HasField(name) else None


def _key(key: pb.ApiKey) -> ApiKey:
    return ApiKey(
        api_key_id=key.api_key_id,
        name=key.name,
        hint=key.hint,
        role=ROLES.get(key.role, "unknown"),
        account_email=key.account_email,
        created_at=key.created_at.seconds,
        last_used_at=_seconds(key, "last_used_at"),
        revoked_at=_seconds(key, "revoked_at"),
    )


def _account(account: pb.Account) -> Account:
    return Account(
        account_id=account.account_id,
        email=account.email,
        role=ROLES.get(account.role, "unknown"),
        created_at=account.created_at.seconds,
        disabled_at=_seconds(account, "disabled_at"),
    )


def _organization(organization: pb.Organization) -> Organization:
    return Organization(
        organization_id=organization.organization_id,
        name=organization.name,
        created_at=organization.created_at.seconds,
    )


def _identity(identity: pb.CertificateIdentity) -> CertificateIdentity:
    return CertificateIdentity(
        uri=identity.uri,
        organization_id=identity.organization_id,
        organization_name=identity.organization_name,
        role=ROLES.get(identity.role, "unknown"),
        created_at=identity.created_at.seconds,
    )


def _event(event: pb.AuditEvent) -> AuditEvent:
    return AuditEvent(
        event_id=event.event_id,
        occurred_at=event.occurred_at.seconds,
        actor=event.actor,
        credential=event.credential,
        action=event.action,
        target=event.target,
        outcome=_OUTCOMES.get(event.outcome, "unknown"),
        address=event.address,
        request_id=event.request_id,
    )
