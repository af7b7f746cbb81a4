"""What is done to whole data sets is written down before it is done."""

from collections.abc import Awaitable, Callable

import pytest
from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import request_service_pb2 as requests
from reflexio_server.access.caller import AccessRole
from reflexio_server.access.policy import REQUIREMENTS, Requirement
from reflexio_server.rpc.interceptors.auditing import AUDITED

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
        ("ExportData", data.ExportDataRequest(user_id="ana")),
        ("EraseUser", data.EraseUserRequest(user_id="ana")),
        ("DeleteAllInteractions", requests.DeleteAllInteractionsRequest()),
    ]
    for method, request in calls:
        await ask(method, request, metadata=tenant.bearer())
    refusal = await refused(ask("ExportData", data.ExportDataRequest(), metadata=tenant.bearer(AccessRole.MEMBER)))
    assert refusal.reason == "PERMISSION_DENIED"
    answer = await ask("ListAuditEvents", pb.ListAuditEventsRequest(), metadata=tenant.bearer())
    assert "ana" not in str(answer.events).replace(tenant.email, ""), "an erased name stays nowhere"
    # printf ana | sha256sum
    ana = "user sha256:24d4b96f58da6d4a"
    assert [(event.action, event.target, event.outcome) for event in reversed(answer.events)] == [
        ("update_retention", "3000000000 seconds", pb.AUDIT_OUTCOME_DONE),
        ("update_retention", "for ever", pb.AUDIT_OUTCOME_DONE),
        ("import_data", "a stream of requests", pb.AUDIT_OUTCOME_DONE),
        ("export_data", "everything", pb.AUDIT_OUTCOME_DONE),
        ("export_data", ana, pb.AUDIT_OUTCOME_DONE),
        ("erase_user", ana, pb.AUDIT_OUTCOME_DONE),
        ("delete_all_interactions", "everything", pb.AUDIT_OUTCOME_DONE),
        ("export_data", "everything", pb.AUDIT_OUTCOME_DONE),
        ("export_data", "everything", pb.AUDIT_OUTCOME_FAILED),
    ]


@pytest.mark.parametrize("method", ["StartReindex", "CancelReindex"])
async def test_what_is_refused_before_leaves_no_trace(ask: Ask, new_tenant: NewTenant, method: str):
    tenant = await new_tenant()
    refusal = await refused(ask.send(method, b"", metadata=tenant.bearer()))
    assert refusal.reason == "PERMISSION_DENIED"
    assert not (await ask("ListAuditEvents", pb.ListAuditEventsRequest(), metadata=tenant.bearer())).events
