"""AccessService: logins, keys, accounts, organisations, certificates and the audit trail."""

import math
from dataclasses import dataclass

from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1 import access_service_pb2_grpc as rpc

from reflexio_server.access.caller import LOCAL_CALLER, AccessRole, current_caller
from reflexio_server.access.email import normalized
from reflexio_server.access.keys import new_key
from reflexio_server.domain.access import Account, ApiKey, AuditEvent, CertificateIdentity, Organization
from reflexio_server.identity.directory import Directory
from reflexio_server.identity.logins import Attempt, Logins
from reflexio_server.rpc import access_messages as messages
from reflexio_server.rpc.authors import address_of, author_of
from reflexio_server.rpc.interceptors.base import Context
from reflexio_server.rpc.interceptors.logging import call_id
from reflexio_server.rpc.numbered_pages import NumberedPage
from reflexio_server.store import audit
from reflexio_server.validate import rules


@dataclass(frozen=True)
class AccessService(rpc.AccessServiceServicer):
    """Answers the calls of `reflexio.v1.AccessService`, whose comments say what each does."""

    logins: Logins
    directory: Directory
    asks_for_keys: bool
    """Whether authentication is on."""

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.LoginResponse:
        if not self.asks_for_keys:
            return pb.LoginResponse(
                api_key=new_key(), organization_id=LOCAL_CALLER.org_id, organization_name=LOCAL_CALLER.org_name
            )
        attempt = _attempt(request, request.password, context)
        account, made = await self.logins.login(attempt)
        return pb.LoginResponse(
            api_key=made.secret,
            key=messages.api_key_to(made.key),
            organization_id=account.org_id,
            organization_name=account.org_name,
        )

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Context) -> pb.ChangePasswordResponse:
        attempt = _attempt(request, request.current_password, context)
        revoked = await self.logins.change_password(attempt, request.new_password, revoke_keys=request.revoke_api_keys)
        return pb.ChangePasswordResponse(revoked_api_keys_count=revoked)

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> pb.CreateApiKeyResponse:
        email = normalized(request.account_email) if request.account_email else ""
        role = messages.role_from(request.role)
        made = await self.directory.create_api_key(current_caller.get(), author_of(context), request.name, role, email)
        return pb.CreateApiKeyResponse(api_key=made.secret, key=messages.api_key_to(made.key))

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ListApiKeysResponse:
        caller = current_caller.get()
        page = NumberedPage[ApiKey].asked_for(caller.org_id, request)
        found = await self.directory.api_keys(
            caller,
            email=normalized(request.account_email) if request.account_email else "",
            with_revoked=request.include_revoked,
            before=page.before,
            limit=page.limit,
        )
        keys, token = page.cut(found, lambda key: key.api_key_id)
        return pb.ListApiKeysResponse(keys=map(messages.api_key_to, keys), next_page_token=token)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> pb.RevokeApiKeyResponse:
        key = await self.directory.revoke_api_key(current_caller.get(), author_of(context), request.api_key_id)
        return pb.RevokeApiKeyResponse(key=messages.api_key_to(key))

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Context) -> pb.CreateAccountResponse:
        role = messages.role_from(request.role) or AccessRole.MEMBER
        account = await self.directory.create_account(
            current_caller.get().org_id, author_of(context), normalized(request.email), role, request.password
        )
        return pb.CreateAccountResponse(account=messages.account_to(account))

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        org_id = current_caller.get().org_id
        page = NumberedPage[Account].asked_for(org_id, request)
        found = await self.directory.accounts(org_id, after=page.after, limit=page.limit)
        accounts, token = page.cut(found, lambda account: account.account_id)
        return pb.ListAccountsResponse(accounts=map(messages.account_to, accounts), next_page_token=token)

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Context) -> pb.UpdateAccountResponse:
        account = await self.directory.update_account(
            current_caller.get().org_id,
            author_of(context),
            normalized(request.email),
            role=messages.role_from(request.role),
            disabled=request.disabled if request.HasField("disabled") else None,
            password=request.new_password if request.HasField("new_password") else None,
        )
        return pb.UpdateAccountResponse(account=messages.account_to(account))

    async def CreateOrganization(
        self, request: pb.CreateOrganizationRequest, context: Context
    ) -> pb.CreateOrganizationResponse:
        organization, admin = await self.directory.create_organization(
            current_caller.get().org_id,
            author_of(context),
            request.name,
            normalized(request.admin_email),
            request.admin_password,
        )
        return pb.CreateOrganizationResponse(
            organization=messages.organization_to(organization), admin=messages.account_to(admin)
        )

    async def ListOrganizations(
        self, request: pb.ListOrganizationsRequest, context: Context
    ) -> pb.ListOrganizationsResponse:
        page = NumberedPage[Organization].asked_for(current_caller.get().org_id, request)
        found = await self.directory.organizations(after=page.after, limit=page.limit)
        organizations, token = page.cut(found, lambda organization: organization.org_id)
        return pb.ListOrganizationsResponse(
            organizations=map(messages.organization_to, organizations), next_page_token=token
        )

    async def CreateCertificateIdentity(
        self, request: pb.CreateCertificateIdentityRequest, context: Context
    ) -> pb.CreateCertificateIdentityResponse:
        role = messages.role_from(request.role) or AccessRole.MEMBER
        uri = rules.certificate_uri("uri", request.uri)
        identity = await self.directory.create_certificate_identity(
            current_caller.get().org_id, author_of(context), uri, request.organization_name, role
        )
        return pb.CreateCertificateIdentityResponse(identity=messages.identity_to(identity))

    async def ListCertificateIdentities(
        self, request: pb.ListCertificateIdentitiesRequest, context: Context
    ) -> pb.ListCertificateIdentitiesResponse:
        page = NumberedPage[CertificateIdentity].asked_for(current_caller.get().org_id, request)
        found = await self.directory.certificate_identities(after=page.after, limit=page.limit)
        identities, token = page.cut(found, lambda identity: identity.certificate_identity_id)
        return pb.ListCertificateIdentitiesResponse(
            identities=map(messages.identity_to, identities), next_page_token=token
        )

    async def DeleteCertificateIdentity(
        self, request: pb.DeleteCertificateIdentityRequest, context: Context
    ) -> pb.DeleteCertificateIdentityResponse:
        await self.directory.delete_certificate_identity(current_caller.get().org_id, author_of(context), request.uri)
        return pb.DeleteCertificateIdentityResponse()

    async def ListAuditEvents(self, request: pb.ListAuditEventsRequest, context: Context) -> pb.ListAuditEventsResponse:
        org_id = current_caller.get().org_id
        page = NumberedPage[AuditEvent].asked_for(org_id, request)
        found = await audit.events(
            self.directory.database, org_id, action=request.action, before=page.before, limit=page.limit
        )
        events, token = page.cut(found, lambda event: event.event_id)
        return pb.ListAuditEventsResponse(events=map(messages.event_to, events), next_page_token=token)


def _attempt(request: pb.LoginRequest | pb.ChangePasswordRequest, password: str, context: Context) -> Attempt:
    remaining = context.time_remaining()
    return Attempt(
        normalized(request.email),
        password,
        request.organization_name,
        address_of(context),
        call_id.get(),
        math.inf if remaining is None else remaining,
    )
