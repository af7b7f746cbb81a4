"""Logins, keys and accounts through both clients."""

import warnings
from uuid import uuid4

import pytest
import reflexio
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from reflexio.v1 import access_service_pb2 as pb

from tests.client.shells import SHELLS, opened
from tests.client.wire import UNAVAILABLE, refuse
from tests.identity.tenants import made
from tests.running import Postgres, running_server

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def keyed(postgres: Postgres):
    """A server that asks for keys, and its operator."""
    url = postgres.new_database()
    with running_server(url, auth="api-key") as server:
        yield server, made(url, org_id=1)


@pytest.fixture(params=SHELLS)
async def operator(request, keyed):
    """A client of each kind with the operator's key."""
    server, tenant = keyed
    async with opened(request.param, server.url, api_key=tenant.keys[3]) as shell:
        yield shell


@pytest.fixture(params=SHELLS)
async def stranger(request, keyed):
    """A client of each kind without a key."""
    async with opened(request.param, keyed[0].url) as shell:
        yield shell


def address():
    return f"{uuid4()}@example.com"


async def test_an_organisation_from_its_beginning_to_a_key_that_is_revoked(operator, keyed):
    url = keyed[0].url
    name, email = f"shop {uuid4()}", address()
    organization = await operator.create_organization(name, email, PASSWORD)
    assert organization.organization in await operator.list_organizations()
    assert (organization.admin.email, organization.admin.role) == (email, "admin")
    async with opened("sync", url) as admin:
        token = await admin.login(email.upper(), PASSWORD)
        assert (token.organization_name, token.key.role, token.key.hint) == (name, "admin", token.api_key[:9])
        who = await admin.whoami()
        assert (who.account_email, who.api_key_id, who.role) == (email, token.key.api_key_id, "admin")

        member = await admin.create_account(f"m-{email}", PASSWORD)
        assert (member.role, member.disabled_at) == ("member", None)
        assert await admin.list_accounts() == [organization.admin, member]
        key = await admin.create_api_key("nightly", "reader", account=member.email)
        assert (key.key.name, key.key.role, key.key.account_email) == ("nightly", "reader", member.email)
        assert {k.api_key_id for k in await admin.list_api_keys()} == {token.key.api_key_id, key.key.api_key_id}
        async with opened("async", url, api_key=key.api_key) as reader:
            assert (await reader.whoami()).role == "reader"
            with pytest.raises(reflexio.PermissionDeniedError) as denied:
                await reader.publish_interaction("u", [{"content": "x"}])
            assert denied.value.metadata == {"needed": "member", "role": "reader"}
            revoked = await admin.revoke_api_key(key.key.api_key_id)
            assert revoked.revoked_at is not None
            with pytest.raises(reflexio.ApiKeyInvalidError):
                await reader.whoami()
        assert await admin.list_api_keys(member.email) == []
        assert [k.api_key_id for k in await admin.list_api_keys(member.email, include_revoked=True)] == [
            key.key.api_key_id
        ]
        disabled = await admin.update_account(member.email, disabled=True)
        assert disabled.disabled_at is not None
        acts = [(event.actor, event.action) for event in await admin.list_audit_events(top_k=3)]
        assert acts == [(email, "update_account"), (email, "revoke_api_key"), (email, "create_api_key")]
        [event] = await admin.list_audit_events("login")
        assert (event.outcome, event.credential, event.address) == ("done", "password", "127.0.0.1")
        await admin.revoke_api_key()
        with pytest.raises(reflexio.ApiKeyInvalidError):
            await admin.whoami()


async def test_errors_are_of_telling_classes(operator, stranger):
    email = address()
    await operator.create_account(email, PASSWORD)
    with pytest.raises(reflexio.NameTakenError):
        await operator.create_account(email.upper(), PASSWORD)
    with pytest.raises(reflexio.NotFoundError):
        await operator.update_account(address(), disabled=True)
    with pytest.raises(reflexio.NotFoundError):
        await operator.revoke_api_key(2**40)
    with pytest.raises(reflexio.InvalidArgumentError) as refused:
        await operator.create_account(address(), "too short")
    assert refused.value.field_violations[0].field == "password"
    with pytest.raises(reflexio.InvalidArgumentError, match="role"):
        await operator.create_account(address(), PASSWORD, role="boss")
    with pytest.raises(reflexio.InvalidArgumentError, match="account"):
        await operator.create_api_key("n", account="nobody")
    with pytest.raises(reflexio.ApiKeyMissingError):
        await stranger.whoami()
    with pytest.raises(reflexio.LoginRefusedError) as unknown:
        await stranger.login(address(), PASSWORD)
    assert isinstance(unknown.value, reflexio.UnauthenticatedError)
    with pytest.raises(reflexio.LoginRefusedError):
        await stranger.login(email, "wrong")
    with pytest.raises(reflexio.ApiKeyMissingError):
        await stranger.whoami()


async def test_a_password_is_changed_and_keys_go_with_it(operator, stranger):
    email = address()
    await operator.create_account(email, PASSWORD)
    await stranger.login(email, PASSWORD)
    changed = await stranger.change_password(email, PASSWORD, "another password", revoke_api_keys=True)
    assert changed.revoked_api_keys_count == 1
    with pytest.raises(reflexio.ApiKeyInvalidError):
        await stranger.whoami()
    await stranger.login(email, "another password")
    assert (await stranger.whoami()).account_email == email


async def test_certificates(operator):
    uri = f"spiffe://example.com/{uuid4()}"
    identity = await operator.create_certificate_identity(uri, "default", "reader")
    assert (identity.uri, identity.organization_id, identity.role) == (uri, 1, "reader")
    assert identity in await operator.list_certificate_identities()
    await operator.delete_certificate_identity(uri)
    assert identity not in await operator.list_certificate_identities()


async def test_where_authentication_is_off_any_login_gives_a_key_and_all_goes_on(client):
    token = await client.login("your_email@example.com", "your_password")
    assert token.success
    assert token.api_key.startswith("rflx-")
    assert (token.key, token.organization_id) == (None, 1)
    assert (await client.whoami()).role == "admin"


async def test_a_client_is_made_with_the_key_of_an_earlier_login(keyed, operator):
    email = address()
    await operator.create_account(email, PASSWORD)
    async with opened("sync", keyed[0].url) as first:
        token = await first.login(email, PASSWORD)
    async with opened("async", keyed[0].url, api_key=token.api_key) as later:
        assert (await later.whoami()).account_email == email


@pytest.mark.parametrize("kind", SHELLS)
async def test_no_secret_is_in_what_is_shown(kind, keyed, operator):
    email = address()
    await operator.create_account(email, PASSWORD)
    async with opened(kind, keyed[0].url) as shell:
        token = await shell.login(email, PASSWORD)
        key = await shell.create_api_key("n")
        for shown in (token, shell.client, shell.client._connection, key):
            assert token.api_key[9:] not in repr(shown)
            assert key.api_key[9:] not in repr(shown)


@pytest.mark.parametrize("url", ["http://store.example.com:8081", "xds:///store", "store.example.com:8081"])
def test_a_key_in_plain_text_to_another_machine_is_warned_of(url):
    with pytest.warns(reflexio.InsecureChannelWarning, match="the API key is sent to .* in plain text") as warned:
        reflexio.ReflexioClient(api_key="rflx-secret", url_endpoint=url).close()
    assert "secret" not in str(warned[0].message)
    assert warned[0].filename == __file__
    with pytest.warns(reflexio.InsecureChannelWarning, match="the password"), pytest.raises(reflexio.ReflexioError):
        reflexio.ReflexioClient(url_endpoint=url, timeout=0.01).login("a@example.com", "x")


@pytest.mark.parametrize("url", ["https://store.example.com", "http://localhost:8081", "http://[::1]:8081", "unix:/x"])
def test_what_others_cannot_read_is_no_reason_to_warn(url):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reflexio.ReflexioClient(api_key="rflx-x", url_endpoint=url).close()
        reflexio.ReflexioClient(url_endpoint="http://store.example.com").close()


async def test_what_makes_something_is_not_repeated_unless_nothing_was_done(wire, wire_client):
    wire.answers["ListAccounts"] = lambda *_: pb.ListAccountsResponse()
    await wire_client.list_accounts()
    # Of a server that was there before, what is UNAVAILABLE is tried again.
    wire.requests.clear()
    wire.answers["CreateApiKey"] = lambda _, context: refuse(context, UNAVAILABLE, "gone")
    with pytest.raises(reflexio.UnavailableError):
        await wire_client.create_api_key("n")
    assert len(wire.requests) == 1

    def at_first_not_ready(_, context):
        if len(wire.requests) == 2:
            early = ErrorInfo(reason="ERROR_REASON_NOT_READY", domain="reflexio", metadata={"state": "starting"})
            delay = Duration()
            delay.FromMilliseconds(10)
            refuse(context, UNAVAILABLE, "early", early, RetryInfo(retry_delay=delay))
        return pb.CreateApiKeyResponse(api_key="rflx-new", key=pb.ApiKey(api_key_id=7))

    wire.answers["CreateApiKey"] = at_first_not_ready
    assert (await wire_client.create_api_key("n")).api_key == "rflx-new"
    assert len(wire.requests) == 3


async def test_too_many_logins_say_when_to_come_back(wire, wire_client):
    info = ErrorInfo(reason="ERROR_REASON_TOO_MANY_LOGINS", domain="reflexio")
    retry = RetryInfo(retry_delay=Duration(seconds=7))
    wire.answers["Login"] = lambda _, context: refuse(context, Code.RESOURCE_EXHAUSTED, "too many", info, retry)
    with pytest.raises(reflexio.TooManyLoginsError) as refused:
        await wire_client.login("a@example.com", "x")
    assert refused.value.retry_after == 7
    assert isinstance(refused.value, reflexio.ResourceExhaustedError)


async def test_the_key_of_a_login_goes_with_later_calls(wire, wire_client):
    wire.answers["Login"] = lambda *_: pb.LoginResponse(api_key="rflx-new")
    wire.answers["ListAccounts"] = lambda *_: pb.ListAccountsResponse()
    await wire_client.login("a@example.com", "x")
    await wire_client.list_accounts()
    assert [metadata.get("authorization") for metadata in wire.metadata] == ["Bearer key-1", "Bearer rflx-new"]
