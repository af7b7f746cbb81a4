"""What is done to whole data sets is written down before it is done, and how it ended after."""

from collections.abc import Awaitable, Callable

import pytest
from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import request_service_pb2 as requests
from reflexio_server.access.caller import AccessRole
from reflexio_server.access.policy import REQUIREMENTS, Requirement
from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.rpc.interceptors.auditing import AUDITED
from reflexio_server.store import erasure

from tests.embed.eventually import eventually
from tests.identity.tenants import Tenant
from tests.rpc.baseline import record
from tests.rpc.wire import METHODS, path_of, refused
from tests.rpc.wire import Caller as Ask

NewTenant = Callable[..., Awaitable[Tenant]]


def test_whatever_only_administrators_may_and_is_no_reading_is_recorded():
    recorded_there = {
        path_of(name) for name, method in METHODS.items() if method.containing_service.name == "AccessService"
    }
    for_administrators = {
        method for method, needed in REQUIREMENTS.items() if needed in {Requirement.ADMIN, Requirement.OPERATOR}
    }
    reading = {method for method in for_administrators if "/List" in method}
    assert for_administrators - reading - recorded_there <= set(AUDITED)


async def test_each_is_recorded_with_what_it_is_done_on(ask: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    calls = [
        ("UpdateRetention", data.UpdateRetentionRequest(max_age={"seconds": 3_000_000_000})),
        ("UpdateRetention", data.UpdateRetentionRequest()),
        ("ImportData", data.ImportDataRequest(request=record("ana", {"content": "fine"}))),
        ("ExportData", data.ExportDataRequest()),
        ("EraseUser", data.EraseUserRequest(user_id="ana")),
        ("DeleteAllInteractions", requests.DeleteAllInteractionsRequest()),
    ]
    for method, request in calls:
        await ask(method, request, metadata=tenant.bearer())
    answer = await ask("ListAuditEvents", pb.ListAuditEventsRequest(), metadata=tenant.bearer())
    assert "ana" not in str(answer.events).replace(tenant.email, ""), "an erased name stays nowhere"
    # printf ana | sha256sum
    ana = "user sha256:24d4b96f58da6d4a"
    expected = [
        ("update_retention", "3000000000 seconds"),
        ("update_retention", "for ever"),
        ("import_data", "a stream of requests"),
        ("export_data", "everything"),
        ("erase_user", ana),
        ("delete_all_interactions", "everything"),
    ]
    assert [(event.action, event.target, event.outcome) for event in reversed(answer.events)] == [
        (*act, outcome) for act in expected for outcome in (pb.AUDIT_OUTCOME_ATTEMPTED, pb.AUDIT_OUTCOME_DONE)
    ]
    for done, attempted in zip(answer.events[::2], answer.events[1::2], strict=True):
        assert done.request_id == attempted.request_id


async def outcomes(ask: Ask, tenant: Tenant) -> list[pb.AuditOutcome.ValueType]:
    """Of all that is in the trail, the oldest first."""
    answer = await ask("ListAuditEvents", pb.ListAuditEventsRequest(), metadata=tenant.bearer())
    return [event.outcome for event in reversed(answer.events)]


@pytest.mark.parametrize("role", [AccessRole.READER, AccessRole.MEMBER])
async def test_who_is_no_administrator_adds_nothing_to_the_trail(ask: Ask, new_tenant: NewTenant, role: AccessRole):
    tenant = await new_tenant()
    await ask("ExportData", data.ExportDataRequest(user_id="ana"), metadata=tenant.bearer(role))
    refusal = await refused(ask("ExportData", data.ExportDataRequest(), metadata=tenant.bearer(role)))
    assert refusal.reason == "PERMISSION_DENIED"
    assert await outcomes(ask, tenant) == []


async def test_what_fails_is_never_said_to_be_done(ask: Ask, new_tenant: NewTenant, monkeypatch: pytest.MonkeyPatch):
    async def fail(*_: object) -> None:
        raise DatabaseUnavailable

    tenant = await new_tenant()
    monkeypatch.setattr(erasure, "erase_user", fail)
    refusal = await refused(ask("EraseUser", data.EraseUserRequest(user_id="ana"), metadata=tenant.bearer()))
    assert refusal.reason == "DATABASE_UNAVAILABLE"
    assert await outcomes(ask, tenant) == [pb.AUDIT_OUTCOME_ATTEMPTED, pb.AUDIT_OUTCOME_FAILED]


async def test_what_its_caller_gives_up_has_failed(ask: Ask, new_tenant: NewTenant):
    tenant = await new_tenant()
    stream = ask.channel.stream_stream(path_of("ImportData"))(metadata=tenant.bearer())
    request = data.ImportDataRequest(request=record("ana", {"content": "fine"}))
    await stream.write(request.SerializeToString())
    await stream.read()
    assert await outcomes(ask, tenant) == [pb.AUDIT_OUTCOME_ATTEMPTED]
    stream.cancel()

    async def its_end_is_recorded() -> bool:
        return await outcomes(ask, tenant) == [pb.AUDIT_OUTCOME_ATTEMPTED, pb.AUDIT_OUTCOME_FAILED]

    await eventually(its_end_is_recorded)


@pytest.mark.parametrize("method", ["StartReindex", "CancelReindex"])
async def test_what_is_refused_before_leaves_no_trace(ask: Ask, new_tenant: NewTenant, method: str):
    tenant = await new_tenant()
    refusal = await refused(ask.send(method, b"", metadata=tenant.bearer()))
    assert refusal.reason == "PERMISSION_DENIED"
    assert not (await ask("ListAuditEvents", pb.ListAuditEventsRequest(), metadata=tenant.bearer())).events
