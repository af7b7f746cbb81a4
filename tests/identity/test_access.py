"""Who may call what: without a key, with a bad one, with one of each role, and with one that is revoked meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import data_service_pb2_grpc as data_rpc
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import interaction_service_pb2_grpc as interactions_rpc
from reflexio.v1 import request_service_pb2 as requests
from reflexio.v1 import server_service_pb2 as server
from reflexio_server.access.caller import LOCAL_CALLER, NOBODY, AccessRole, Caller
from reflexio_server.access.keys import new_key
from reflexio_server.access.policy import REQUIREMENTS, Requirement, require
from reflexio_server.domain.identity_errors import PermissionDenied
from reflexio_server.domain.ids import OrgId
from reflexio_server.identity.authenticator import Authenticator
from reflexio_server.rpc.interceptors import access
from reflexio_server.store import api_keys
from reflexio_server.store.database import Database

from tests.identity.tenants import Tenant
from tests.rpc.baseline import GOOD, publish_baseline
from tests.rpc.wire import METHODS, path_of, refused
from tests.rpc.wire import Caller as Ask
from tests.validate.pictures import picture

WHO = server.WhoAmIRequest()
NewTenant = Callable[..., Awaitable[Tenant]]
NEED_A_KEY = [name for name in METHODS if REQUIREMENTS[path_of(name)] is not Requirement.NOTHING]


def sent(ask: Ask, method: str, request: bytes, **options: Any) -> Awaitable[Any]:
    """Call a method with the bytes of one request."""
    streams = METHODS[method].server_streaming
    # As if it took one request: on a stream, the refusal may come in the middle of sending.
    call = (ask.channel.unary_stream if streams else ask.channel.unary_unary)(path_of(method))(request, **options)
    return call.read() if streams else call


def test_every_rpc_of_the_contract_has_an_entry_and_nothing_else_has():
    assert set(REQUIREMENTS) == {path_of(method) for method in METHODS}


def test_each_role_may_do_what_those_before_it_may():
    def may(caller: Caller, requirement: Requirement) -> bool:
        try:
            require(caller, requirement)
        except PermissionDenied:
            return False
        return True

    ranks = [Requirement.READER, Requirement.MEMBER, Requirement.ADMIN]
    for number, role in enumerate(AccessRole):
        caller = Caller(OrgId(7), "seven", role)
        assert [may(caller, rank) for rank in ranks] == [rank <= number for rank in range(3)]
        assert not may(caller, Requirement.OPERATOR)
        assert may(caller, Requirement.NOTHING)
        assert may(Caller(OrgId(1), "default", role), Requirement.OPERATOR) == (role is AccessRole.ADMIN)
    assert may(LOCAL_CALLER, Requirement.OPERATOR)
    assert not may(NOBODY, Requirement.MEMBER)


async def test_a_key_says_whose_data_is_seen(ask: Ask, new_tenant: NewTenant):
    one, other = await new_tenant(), await new_tenant()
    for tenant in (one, other):
        for role in AccessRole:
            answer = await ask("WhoAmI", WHO, metadata=tenant.bearer(role))
            assert (answer.organization_id, answer.organization_name) == (tenant.org_id, tenant.name)
            assert answer.role == role


@pytest.mark.parametrize("method", NEED_A_KEY)
async def test_without_a_key_nothing_is_answered(ask: Ask, method: str):
    refusal = await refused(sent(ask, method, b""))
    assert (refusal.code, refusal.reason) == (StatusCode.UNAUTHENTICATED, "API_KEY_MISSING")


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", f"Bearer {new_key()}")],
        [("authorization", "Bearer key-1")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer rflx-" + "ü".encode().hex())],
        [("authorization", f"Basic {new_key()}")],
        [("authorization", new_key())],
        [("authorization", f"Bearer {new_key()}"), ("authorization", f"Bearer {new_key()}")],
    ],
    ids=["unknown", "no form", "empty", "too short", "another scheme", "no scheme", "two"],
)
async def test_what_is_no_key_is_refused(ask: Ask, metadata: list[tuple[str, str]]):
    refusal = await refused(ask("WhoAmI", WHO, metadata=metadata))
    assert (refusal.code, refusal.reason) == (StatusCode.UNAUTHENTICATED, "API_KEY_INVALID")
    assert all(value.split()[-1] not in refusal.message for _, value in metadata if value.strip() != "Bearer")


async def test_two_good_keys_are_none(ask: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    refusal = await refused(ask("WhoAmI", WHO, metadata=[*tenant.bearer(), *tenant.bearer()]))
    assert refusal.reason == "API_KEY_INVALID"


async def test_a_key_is_known_by_any_spelling_of_its_scheme(ask: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    answer = await ask("WhoAmI", WHO, metadata=[("authorization", f"bearer  {tenant.keys[AccessRole.READER]} ")])
    assert answer.organization_id == tenant.org_id


@pytest.mark.parametrize(
    ("method", "role"),
    [
        (method, role)
        for method in NEED_A_KEY
        for role in AccessRole
        # Beyond all of them, where it takes more than a role.
        if role < AccessRole.__members__.get(REQUIREMENTS[path_of(method)].name, AccessRole.ADMIN + 1)
    ],
)
async def test_too_small_a_role_is_refused_before_the_request_is_looked_at(
    ask: Ask, tenant: Tenant, method: str, role: AccessRole
):
    requirement = REQUIREMENTS[path_of(method)]
    refusal = await refused(sent(ask, method, b"\xff", metadata=tenant.bearer(role)))
    assert (refusal.code, refusal.reason) == (StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert refusal.metadata == {"needed": requirement.name.lower(), "role": role.name.lower()}


async def test_what_a_role_may_it_can(ask: Ask, new_tenant: NewTenant, user_id: str):
    tenant = await new_tenant()
    there = await publish_baseline(lambda *call: ask(*call, metadata=tenant.bearer(AccessRole.MEMBER)), user_id)
    for method, requirement in ((name, REQUIREMENTS[path_of(name)]) for name in NEED_A_KEY):
        if requirement.name in AccessRole.__members__ and METHODS[method].containing_service.name != "AccessService":
            await ask(method, GOOD[method](there), metadata=tenant.bearer(AccessRole[requirement.name]))


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListRequests", requests.ListRequestsRequest()),
        ("ListRequests", requests.ListRequestsRequest(skip=1, page_size=2)),
        ("ExportData", data.ExportDataRequest()),
    ],
)
async def test_everybody_s_data_at_once_needs_an_administrator(
    ask: Ask, new_tenant: NewTenant, method: str, request_: object
):
    tenant = await new_tenant()
    for role in (AccessRole.READER, AccessRole.MEMBER):
        refusal = await refused(ask(method, request_, metadata=tenant.bearer(role)))
        assert (refusal.reason, refusal.metadata) == (
            "PERMISSION_DENIED",
            {"needed": "admin", "role": role.name.lower()},
        )
    await ask(method, request_, metadata=tenant.bearer())


async def test_a_revoked_key_is_refused_from_the_next_call_on_and_others_are_not(
    ask: Ask, new_tenant: NewTenant, keyed_database: Database
):
    tenant = await new_tenant()
    await ask("WhoAmI", WHO, metadata=tenant.bearer(AccessRole.MEMBER))
    async with keyed_database.direct(tenant.org_id) as connection:
        await api_keys.revoke(connection, tenant.org_id, tenant.key_ids[AccessRole.MEMBER], None)
    refusal = await refused(ask("WhoAmI", WHO, metadata=tenant.bearer(AccessRole.MEMBER)))
    assert refusal.reason == "API_KEY_INVALID"
    await ask("WhoAmI", WHO, metadata=tenant.bearer(AccessRole.READER))


async def test_a_role_and_an_account_count_as_they_are_now(ask: Ask, new_tenant: NewTenant, keyed_database: Database):
    tenant = await new_tenant()
    mine = (tenant.org_id, tenant.account_id)
    async with keyed_database.direct(tenant.org_id) as connection:
        await connection.execute("update accounts set role = 1 where org_id = $1 and account_id = $2", *mine)
    answers = [await ask("WhoAmI", WHO, metadata=tenant.bearer(role)) for role in AccessRole]
    assert [answer.role for answer in answers] == [AccessRole.READER] * 3
    async with keyed_database.direct(tenant.org_id) as connection:
        await connection.execute("update accounts set disabled_at = now() where org_id = $1 and account_id = $2", *mine)
    assert (await refused(ask("WhoAmI", WHO, metadata=tenant.bearer()))).reason == "API_KEY_INVALID"


async def test_health_and_reflection_need_no_key(ask: Ask):
    answer = await health_pb2_grpc.HealthStub(ask.channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_stream_ends_soon_after_its_key_is_revoked(
    ask: Ask, new_tenant: NewTenant, keyed_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(access, "RECHECK_SECONDS", 0.02)
    tenant = await new_tenant()
    stub = interactions_rpc.InteractionServiceStub(ask.channel)
    call = stub.StreamPublishInteractions(metadata=tenant.bearer(AccessRole.MEMBER))
    publish = interactions.PublishInteractionsRequest(user_id="u", interactions=[{"content": "x"}])
    await call.write(interactions.StreamPublishInteractionsRequest(publish=publish))
    assert (await call.read()).HasField("published")
    await asyncio.sleep(0.1)
    await call.write(interactions.StreamPublishInteractionsRequest(publish=publish))
    assert (await call.read()).HasField("published"), "it goes on while the key is good"
    async with keyed_database.direct(tenant.org_id) as connection:
        await api_keys.revoke(connection, tenant.org_id, tenant.key_ids[AccessRole.MEMBER], None)
    async with asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
    assert ended.value.code() is StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("user_id", ["", "u"])
async def test_an_export_of_everything_ends_soon_after_its_administrator_is_none(
    ask: Ask, new_tenant: NewTenant, keyed_database: Database, monkeypatch: pytest.MonkeyPatch, user_id: str
):
    monkeypatch.setattr(access, "RECHECK_SECONDS", 0.02)
    tenant = await new_tenant()
    said = [{"image": picture() + bytes(3_500_000)}]
    publish = interactions.PublishInteractionsRequest(user_id="u", interactions=said)
    for _ in range(6):
        await ask("PublishInteractions", publish, metadata=tenant.bearer(AccessRole.MEMBER))
    export = data_rpc.DataServiceStub(ask.channel).ExportData(
        data.ExportDataRequest(user_id=user_id), metadata=tenant.bearer()
    )
    assert (await export.read()).HasField("totals")
    async with keyed_database.direct(tenant.org_id) as connection:
        query = "update accounts set role = 1 where org_id = $1 and account_id = $2"
        await connection.execute(query, tenant.org_id, tenant.account_id)
    assert (await ask("WhoAmI", WHO, metadata=tenant.bearer())).role == AccessRole.READER
    await asyncio.sleep(0.3)
    async with asyncio.timeout(20):
        try:
            while await export.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError:
            pass
        # A reader may have that of one user too.
        assert await export.code() is (StatusCode.OK if user_id else StatusCode.PERMISSION_DENIED)


async def test_a_stream_ends_when_its_credential_stands_for_another_organisation(
    ask: Ask, new_tenant: NewTenant, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(access, "RECHECK_SECONDS", 0.02)
    tenant, other = await new_tenant(), await new_tenant()
    stub = interactions_rpc.InteractionServiceStub(ask.channel)
    call = stub.StreamPublishInteractions(metadata=tenant.bearer())
    publish = interactions.PublishInteractionsRequest(user_id="u", interactions=[{"content": "x"}])
    await call.write(interactions.StreamPublishInteractionsRequest(publish=publish))
    assert (await call.read()).HasField("published")
    found = Authenticator.caller_of

    async def moved(self: Authenticator, key: str | None, uris: Sequence[str]) -> Caller:
        caller = await found(self, key, uris)
        return replace(caller, org_id=other.org_id) if caller.org_id == tenant.org_id else caller

    monkeypatch.setattr(Authenticator, "caller_of", moved)
    async with asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
    assert ended.value.code() is StatusCode.UNAUTHENTICATED


async def test_the_last_use_of_a_key_is_noted(ask: Ask, new_tenant: NewTenant, keyed_database: Database):
    tenant = await new_tenant()
    await ask("WhoAmI", WHO, metadata=tenant.bearer())
    query = "select api_key_id from api_keys where org_id = $1 and last_used_at is not null"
    async with asyncio.timeout(10):
        while True:
            async with keyed_database.direct(tenant.org_id) as connection:
                used = await connection.fetch(query, tenant.org_id)
            if used:
                break
            await asyncio.sleep(0.01)
    assert [row[0] for row in used] == [tenant.key_ids[AccessRole.ADMIN]]
