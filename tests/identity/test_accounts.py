"""Accounts, keys, organisations, certificates: what is made, who may, and what is written down."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from grpc import StatusCode
from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1 import server_service_pb2 as server
from reflexio_server.access.caller import AccessRole
from reflexio_server.store.database import Database

from tests.identity.tenants import Tenant
from tests.rpc.wire import Caller as Ask
from tests.rpc.wire import refused

NewTenant = Callable[..., Awaitable[Tenant]]
PASSWORD = "correct horse battery"


def email() -> str:
    return f"{uuid4()}@example.com"


def bearer(key: str) -> dict[str, Any]:
    return {"metadata": [("authorization", f"Bearer {key}")]}


async def trail(ask: Ask, tenant: Tenant) -> list[tuple[str, str, str]]:
    """What the audit trail of a tenant has, oldest first."""
    answer = await ask("ListAuditEvents", pb.ListAuditEventsRequest(), metadata=tenant.bearer())
    return [(event.actor, event.action, event.target) for event in reversed(answer.events)]


@pytest.fixture
async def operator(new_tenant: NewTenant) -> Tenant:
    """An administrator of organisation 1."""
    return await new_tenant(org_id=1)


async def test_an_organisation_begins_with_an_administrator_who_can_log_in(ask: Ask, operator: Tenant):
    name, address = f"Ölmühle {uuid4()}", email()
    request = pb.CreateOrganizationRequest(name=name, admin_email=address.upper(), admin_password=PASSWORD)
    made = await ask("CreateOrganization", request, metadata=operator.bearer())
    assert made.organization.name == name
    assert (made.admin.email, made.admin.role) == (address, server.ACCESS_ROLE_ADMIN)
    again = await refused(ask("CreateOrganization", request, metadata=operator.bearer()))
    assert (again.code, again.reason) == (StatusCode.ALREADY_EXISTS, "NAME_TAKEN")
    assert again.metadata == {"kind": "organization", "name": name}

    token = await ask("Login", pb.LoginRequest(email=address, password=PASSWORD))
    assert (token.organization_id, token.organization_name) == (made.organization.organization_id, name)
    who = await ask("WhoAmI", server.WhoAmIRequest(), **bearer(token.api_key))
    assert (who.organization_id, who.role) == (made.organization.organization_id, server.ACCESS_ROLE_ADMIN)
    assert (who.account_email, who.api_key_id) == (address, token.key.api_key_id)

    listed = await ask("ListOrganizations", pb.ListOrganizationsRequest(page_size=1000), metadata=operator.bearer())
    assert listed.organizations[0].organization_id == 1
    assert made.organization in listed.organizations
    target = f"organisation {made.organization.organization_id} ({name}) with {address}"
    assert (operator.email, "create_organization", target) in await trail(ask, operator)
    events = await ask("ListAuditEvents", pb.ListAuditEventsRequest(), **bearer(token.api_key))
    assert [event.action for event in events.events] == ["login", "create_organization"]


async def test_only_administrators_of_the_first_organisation_make_others(ask: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    request = pb.CreateOrganizationRequest(name="mine", admin_email=email(), admin_password=PASSWORD)
    refusal = await refused(ask("CreateOrganization", request, metadata=tenant.bearer()))
    assert (refusal.reason, refusal.metadata) == ("PERMISSION_DENIED", {"needed": "operator", "role": "admin"})


async def test_the_same_address_in_two_organisations_is_two_accounts(ask: Ask, new_tenant: NewTenant):
    one, other = await new_tenant(), await new_tenant()
    address = email()
    for tenant, password in ((one, PASSWORD), (other, "another password")):
        request = pb.CreateAccountRequest(email=address, password=password)
        made = await ask("CreateAccount", request, metadata=tenant.bearer())
        assert made.account.role == server.ACCESS_ROLE_MEMBER
        refusal = await refused(ask("CreateAccount", request, metadata=tenant.bearer()))
        assert (refusal.reason, refusal.metadata) == ("NAME_TAKEN", {"kind": "account", "name": address})
    for tenant, password in ((one, PASSWORD), (other, "another password")):
        named = pb.LoginRequest(email=address, password=password, organization_name=tenant.name)
        assert (await ask("Login", named)).organization_id == tenant.org_id
    assert (await ask("Login", pb.LoginRequest(email=address, password=PASSWORD))).organization_id == one.org_id
    refusal = await refused(ask("Login", pb.LoginRequest(email=address, password="another password")))
    assert (refusal.reason, "name the organisation" in refusal.message) == ("LOGIN_REFUSED", True)
    listed = await ask("ListAccounts", pb.ListAccountsRequest(), metadata=one.bearer())
    assert [account.email for account in listed.accounts] == [one.email, address]

    change = pb.UpdateAccountRequest(email=address, new_password=PASSWORD)
    await ask("UpdateAccount", change, metadata=other.bearer())
    assert (await ask("Login", pb.LoginRequest(email=address, password=PASSWORD))).organization_id == one.org_id
    named = pb.LoginRequest(email=address, password=PASSWORD, organization_name=other.name)
    assert (await ask("Login", named)).organization_id == other.org_id


async def test_a_disabled_account_s_keys_are_invalid_until_it_is_enabled(ask: Ask, new_tenant: NewTenant):
    tenant, address = await new_tenant(), email()
    create = pb.CreateAccountRequest(email=address, password=PASSWORD, role=server.ACCESS_ROLE_READER)
    await ask("CreateAccount", create, metadata=tenant.bearer())
    key = bearer((await ask("Login", pb.LoginRequest(email=address, password=PASSWORD))).api_key)
    await ask("WhoAmI", server.WhoAmIRequest(), **key)

    disable = pb.UpdateAccountRequest(email=address, disabled=True)
    disabled = (await ask("UpdateAccount", disable, metadata=tenant.bearer())).account
    assert disabled.HasField("disabled_at")
    assert (await refused(ask("WhoAmI", server.WhoAmIRequest(), **key))).reason == "API_KEY_INVALID"
    login = await refused(ask("Login", pb.LoginRequest(email=address, password=PASSWORD)))
    assert (login.code, login.reason) == (StatusCode.UNAUTHENTICATED, "LOGIN_REFUSED")

    enable = pb.UpdateAccountRequest(email=address, disabled=False, role=server.ACCESS_ROLE_MEMBER)
    enabled = (await ask("UpdateAccount", enable, metadata=tenant.bearer())).account
    assert (enabled.HasField("disabled_at"), enabled.role) == (False, server.ACCESS_ROLE_MEMBER)
    who = await ask("WhoAmI", server.WhoAmIRequest(), **key)
    assert who.role == server.ACCESS_ROLE_READER, "a key keeps what it was made with"


async def test_the_last_administrator_stays_one(ask: Ask, new_tenant: NewTenant):
    tenant, second = await new_tenant(), email()
    for change in (
        pb.UpdateAccountRequest(email=tenant.email, disabled=True),
        pb.UpdateAccountRequest(email=tenant.email, role=server.ACCESS_ROLE_MEMBER),
        pb.UpdateAccountRequest(email=tenant.email, role=server.ACCESS_ROLE_ADMIN, disabled=True),
    ):
        refusal = await refused(ask("UpdateAccount", change, metadata=tenant.bearer()))
        assert (refusal.code, refusal.reason) == (StatusCode.FAILED_PRECONDITION, "LAST_ADMIN")
        assert refusal.metadata == {"account": tenant.email}
    create = pb.CreateAccountRequest(email=second, password=PASSWORD, role=server.ACCESS_ROLE_ADMIN)
    await ask("CreateAccount", create, metadata=tenant.bearer())
    await ask("UpdateAccount", pb.UpdateAccountRequest(email=second, disabled=True), metadata=tenant.bearer())
    demote = pb.UpdateAccountRequest(email=tenant.email, role=server.ACCESS_ROLE_READER)
    assert (await refused(ask("UpdateAccount", demote, metadata=tenant.bearer()))).reason == "LAST_ADMIN"
    await ask("UpdateAccount", pb.UpdateAccountRequest(email=second, disabled=False), metadata=tenant.bearer())
    assert (await ask("UpdateAccount", demote, metadata=tenant.bearer())).account.role == server.ACCESS_ROLE_READER


async def test_a_key_has_at_most_the_role_of_the_one_it_was_made_with(ask: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    made = await ask("CreateApiKey", pb.CreateApiKeyRequest(name="n"), metadata=tenant.bearer(AccessRole.MEMBER))
    assert made.key.role == server.ACCESS_ROLE_MEMBER
    assert made.key.hint == made.api_key[:9]
    assert (made.key.name, made.key.account_email) == ("n", tenant.email)
    admin = pb.CreateApiKeyRequest(name="n", role=server.ACCESS_ROLE_ADMIN)
    refusal = await refused(ask("CreateApiKey", admin, metadata=tenant.bearer(AccessRole.MEMBER)))
    assert refusal.reason == "PERMISSION_DENIED"
    reader = pb.CreateApiKeyRequest(name="n", role=server.ACCESS_ROLE_READER)
    key = await ask("CreateApiKey", reader, metadata=tenant.bearer())
    refusal = await refused(ask("CreateApiKey", reader, **bearer(key.api_key)))
    assert refusal.reason == "PERMISSION_DENIED"
    who = await ask("WhoAmI", server.WhoAmIRequest(), **bearer(key.api_key))
    assert (who.role, who.api_key_id) == (server.ACCESS_ROLE_READER, key.key.api_key_id)


async def test_keys_of_others_are_an_administrator_s_business(ask: Ask, new_tenant: NewTenant):
    tenant, stranger, address = await new_tenant(), await new_tenant(), email()
    create = pb.CreateAccountRequest(email=address, password=PASSWORD)
    await ask("CreateAccount", create, metadata=tenant.bearer())
    for_other = pb.CreateApiKeyRequest(name="n", account_email=address)
    theirs = await ask("CreateApiKey", for_other, metadata=tenant.bearer())
    assert theirs.key.role == server.ACCESS_ROLE_MEMBER, "what the account has"
    member = tenant.bearer(AccessRole.MEMBER)
    assert (await refused(ask("CreateApiKey", for_other, metadata=member))).reason == "PERMISSION_DENIED"
    assert (await refused(ask("CreateApiKey", for_other, metadata=stranger.bearer()))).reason == "NOT_FOUND"

    def ids(answer: pb.ListApiKeysResponse) -> set[int]:
        return {key.api_key_id for key in answer.keys}

    listing = pb.ListApiKeysRequest()
    own = set(tenant.key_ids.values())
    assert ids(await ask("ListApiKeys", listing, metadata=tenant.bearer())) == own | {theirs.key.api_key_id}
    assert ids(await ask("ListApiKeys", listing, metadata=member)) == own
    assert ids(await ask("ListApiKeys", listing, **bearer(theirs.api_key))) == {theirs.key.api_key_id}
    assert ids(await ask("ListApiKeys", listing, metadata=stranger.bearer())) == set(stranger.key_ids.values())
    by_address = pb.ListApiKeysRequest(account_email=address.upper())
    assert ids(await ask("ListApiKeys", by_address, metadata=tenant.bearer())) == {theirs.key.api_key_id}
    assert ids(await ask("ListApiKeys", by_address, metadata=member)) == set()

    revoke = pb.RevokeApiKeyRequest(api_key_id=theirs.key.api_key_id)
    for metadata in (member, stranger.bearer()):
        refusal = await refused(ask("RevokeApiKey", revoke, metadata=metadata))
        assert (refusal.code, refusal.reason) == (StatusCode.NOT_FOUND, "NOT_FOUND")
    first = await ask("RevokeApiKey", revoke, metadata=tenant.bearer())
    again = await ask("RevokeApiKey", revoke, metadata=tenant.bearer())
    assert again.key.revoked_at == first.key.revoked_at, "again changes nothing"
    assert (await refused(ask("WhoAmI", server.WhoAmIRequest(), **bearer(theirs.api_key)))).reason == "API_KEY_INVALID"
    assert ids(await ask("ListApiKeys", listing, metadata=tenant.bearer())) == own
    everything = pb.ListApiKeysRequest(include_revoked=True)
    assert ids(await ask("ListApiKeys", everything, metadata=tenant.bearer())) == own | {theirs.key.api_key_id}


async def test_whoever_holds_a_key_may_revoke_that_one(ask: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    reader = tenant.bearer(AccessRole.READER)
    another = pb.RevokeApiKeyRequest(api_key_id=tenant.key_ids[AccessRole.MEMBER])
    assert (await refused(ask("RevokeApiKey", another, metadata=reader))).reason == "NOT_FOUND"
    revoked = await ask("RevokeApiKey", pb.RevokeApiKeyRequest(), metadata=reader)
    assert revoked.key.api_key_id == tenant.key_ids[AccessRole.READER]
    assert (await refused(ask("WhoAmI", server.WhoAmIRequest(), metadata=reader))).reason == "API_KEY_INVALID"
    await ask("RevokeApiKey", another, metadata=tenant.bearer(AccessRole.MEMBER))


async def test_an_account_has_so_many_keys_and_no_more(ask: Ask, new_tenant: NewTenant, keyed_database: Database):
    tenant = await new_tenant()
    fill = """
        insert into api_keys (org_id, account_id, key_hash, name, hint, role)
        select $1::bigint, $2, sha256(convert_to($1::bigint || ' ' || n, 'utf8')), 'n', 'rflx-', 1
        from generate_series(4, 1000) n
    """
    async with keyed_database.direct(tenant.org_id) as connection:
        await connection.execute(fill, tenant.org_id, tenant.account_id)
    refusal = await refused(ask("CreateApiKey", pb.CreateApiKeyRequest(name="n"), metadata=tenant.bearer()))
    assert (refusal.code, refusal.reason) == (StatusCode.FAILED_PRECONDITION, "TOO_MANY_API_KEYS")
    assert refusal.metadata == {"limit": "1000"}


async def test_lists_come_in_pages_that_belong_to_their_organisation(ask: Ask, new_tenant: NewTenant):
    tenant, other = await new_tenant(), await new_tenant()
    for method, request, items, number in (
        ("ListApiKeys", pb.ListApiKeysRequest(page_size=2), "keys", "api_key_id"),
        ("ListAccounts", pb.ListAccountsRequest(page_size=1), "accounts", "account_id"),
        ("ListAuditEvents", pb.ListAuditEventsRequest(page_size=2), "events", "event_id"),
    ):
        if method == "ListAccounts":
            for _ in range(2):
                create = pb.CreateAccountRequest(email=email(), password=PASSWORD)
                await ask("CreateAccount", create, metadata=tenant.bearer())
                await ask("CreateApiKey", pb.CreateApiKeyRequest(name="n"), metadata=tenant.bearer())
        pages = []
        while True:
            answer = await ask(method, request, metadata=tenant.bearer())
            pages.append([getattr(item, number) for item in getattr(answer, items)])
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
        found = [item for page in pages for item in page]
        assert [len(page) for page in pages[:-1]] == [request.page_size] * (len(pages) - 1)
        assert len(pages) > 1
        assert found == sorted(set(found), reverse=method != "ListAccounts")
        refusal = await refused(ask(method, request, metadata=other.bearer()))
        assert (refusal.reason, refusal.violations) == (
            "INVALID_PAGE_TOKEN",
            (("page_token", "page_token.other_query"),),
        )


async def test_acts_are_written_down_with_who_and_from_where(ask: Ask, new_tenant: NewTenant):
    tenant, address = await new_tenant(), email()
    admin = {"metadata": [*tenant.bearer(), ("x-request-id", "the-call")]}
    await ask("CreateAccount", pb.CreateAccountRequest(email=address, password=PASSWORD), **admin)
    await ask("UpdateAccount", pb.UpdateAccountRequest(email=address, disabled=True, new_password=PASSWORD), **admin)
    await ask("UpdateAccount", pb.UpdateAccountRequest(email=address), **admin)
    key = (await ask("CreateApiKey", pb.CreateApiKeyRequest(name="n"), **admin)).key
    await ask("RevokeApiKey", pb.RevokeApiKeyRequest(api_key_id=key.api_key_id), **admin)
    assert await trail(ask, tenant) == [
        (tenant.email, "create_account", f"{address}, member"),
        (tenant.email, "update_account", f"{address}: disabled, password"),
        (tenant.email, "create_api_key", f"key {key.api_key_id} of {tenant.email}, admin"),
        (tenant.email, "revoke_api_key", f"key {key.api_key_id} of {tenant.email}"),
    ]
    only = await ask("ListAuditEvents", pb.ListAuditEventsRequest(action="create_account"), metadata=tenant.bearer())
    [event] = only.events
    assert (event.credential, event.address, event.request_id) == (
        f"api_key:{tenant.key_ids[AccessRole.ADMIN]}",
        "127.0.0.1",
        "the-call",
    )
    assert event.outcome == pb.AUDIT_OUTCOME_DONE


async def test_the_trail_cannot_be_changed(ask: Ask, new_tenant: NewTenant, keyed_database: Database):
    tenant = await new_tenant()
    await ask("CreateApiKey", pb.CreateApiKeyRequest(name="n"), metadata=tenant.bearer())
    before = await trail(ask, tenant)
    for statement in ("update audit_events set actor = 'x'", "delete from audit_events", "truncate audit_events"):
        with pytest.raises(Exception, match="only ever added"):
            async with keyed_database.direct(tenant.org_id) as connection:
                await connection.execute(statement)
    assert await trail(ask, tenant) == before


async def test_a_uri_stands_for_one_organisation(ask: Ask, operator: Tenant, new_tenant: NewTenant):
    tenant, uri = await new_tenant(), f"spiffe://example.com/{uuid4()}"
    create = pb.CreateCertificateIdentityRequest(uri=uri, organization_name=tenant.name)
    refusal = await refused(ask("CreateCertificateIdentity", create, metadata=tenant.bearer()))
    assert refusal.metadata == {"needed": "operator", "role": "admin"}
    made = (await ask("CreateCertificateIdentity", create, metadata=operator.bearer())).identity
    assert (made.uri, made.organization_id, made.organization_name) == (uri, tenant.org_id, tenant.name)
    assert made.role == server.ACCESS_ROLE_MEMBER
    again = await refused(ask("CreateCertificateIdentity", create, metadata=operator.bearer()))
    assert again.metadata == {"kind": "certificate_identity", "name": uri}
    nowhere = pb.CreateCertificateIdentityRequest(uri=f"{uri}/x", organization_name="nobody's")
    assert (await refused(ask("CreateCertificateIdentity", nowhere, metadata=operator.bearer()))).reason == "NOT_FOUND"
    listing = pb.ListCertificateIdentitiesRequest(page_size=1000)
    assert made in (await ask("ListCertificateIdentities", listing, metadata=operator.bearer())).identities
    delete = pb.DeleteCertificateIdentityRequest(uri=uri)
    await ask("DeleteCertificateIdentity", delete, metadata=operator.bearer())
    assert (await refused(ask("DeleteCertificateIdentity", delete, metadata=operator.bearer()))).reason == "NOT_FOUND"
    assert made not in (await ask("ListCertificateIdentities", listing, metadata=operator.bearer())).identities
