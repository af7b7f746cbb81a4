"""Replicas share what they know of keys and guesses, through Postgres and at once."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1 import server_service_pb2 as server
from reflexio_server.access.caller import AccessRole

from tests.identity.conftest import Keyed
from tests.identity.tenants import Tenant
from tests.rpc.baseline import unused_email
from tests.rpc.wire import Caller as Ask
from tests.rpc.wire import refused
from tests.running import running_server

NewTenant = Callable[..., Awaitable[Tenant]]


@pytest.fixture
async def ask_other(keyed: Keyed) -> AsyncIterator[Ask]:
    """Calls another replica."""
    with running_server(keyed.database_url, auth="api-key") as replica:
        caller = Ask(replica.target)
        yield caller
        await caller.channel.close()


async def test_what_one_replica_is_told_holds_on_all_of_them(ask: Ask, ask_other: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    member = {"metadata": tenant.bearer(AccessRole.MEMBER)}
    assert (await ask_other("WhoAmI", server.WhoAmIRequest(), **member)).organization_id == tenant.org_id
    revoke = pb.RevokeApiKeyRequest(api_key_id=tenant.key_ids[AccessRole.MEMBER])
    await ask("RevokeApiKey", revoke, metadata=tenant.bearer())
    assert (await refused(ask_other("WhoAmI", server.WhoAmIRequest(), **member))).reason == "API_KEY_INVALID"

    email, reasons = unused_email(), []
    for number in range(12):
        login = pb.LoginRequest(email=email, password="wrong")
        reasons.append((await refused((ask, ask_other)[number % 2]("Login", login))).reason)
    assert reasons == ["LOGIN_REFUSED"] * 10 + ["TOO_MANY_LOGINS"] * 2
