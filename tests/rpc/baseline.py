"""What is there before a call that must fail, and good requests of every kind, of which one thing is then made bad."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message
from reflexio.v1 import access_service_pb2 as access
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import request_service_pb2 as requests
from reflexio.v1 import server_service_pb2 as server
from reflexio.v1.interaction_pb2 import NewInteraction

from tests.rpc.wire import Caller
from tests.validate.pictures import picture


@dataclass(frozen=True)
class Baseline:
    """What was published for a test."""

    user_id: str
    session_id: str
    request_id: str
    interaction_ids: tuple[int, ...]


async def publish_baseline(call: Caller, user_id: str) -> Baseline:
    """Publish two interactions of a user in a session, one with an image."""
    said = [{"content": "hello there"}, {"role": "Agent", "content": "a picture", "image": picture()}]
    request = interactions.PublishInteractionsRequest(
        user_id=user_id, interactions=said, session_id=f"session of {user_id}", wait_for_response=True
    )
    result = (await call("PublishInteractions", request)).result
    return Baseline(user_id, request.session_id, result.request_id, tuple(result.interaction_ids))


async def snapshot(call: Caller, there: Baseline) -> list[Message]:
    """Everything of the user, and the newest request of all: what changes when anything is stored or deleted."""
    if not there.interaction_ids:
        return []
    return [
        await call(
            "ListInteractions", interactions.ListInteractionsRequest(user_id=there.user_id, include_images=True)
        ),
        await call("ListRequests", requests.ListRequestsRequest(user_id=there.user_id)),
        await call("ListRequests", requests.ListRequestsRequest(page_size=1)),
    ]


_imported_ids = count(7_000_000_000)
_new_names = count(1)


def record(user_id: str, *interactions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A request to be imported, under ids that nothing has."""
    now = {"seconds": int(time.time())}
    said = [{"interaction_id": next(_imported_ids), "created_at": now, **interaction} for interaction in interactions]
    return {"request_id": str(uuid4()), "user_id": user_id, "created_at": now, "interactions": said, **fields}


def unused_name(kind: str) -> str:
    """A name that nothing has."""
    return f"{kind}-{next(_new_names)}-{uuid4()}"


def unused_email() -> str:
    """An address that no account has."""
    return f"{unused_name('somebody')}@example.com"


GOOD: dict[str, Callable[[Baseline], Message]] = {
    "PublishInteractions": lambda there: interactions.PublishInteractionsRequest(
        user_id=there.user_id,
        interactions=[NewInteraction(content="fine", tools_used=[{"tool_name": "search", "tool_data": {"q": "x"}}])],
    ),
    "StreamPublishInteractions": lambda there: interactions.StreamPublishInteractionsRequest(
        publish=GOOD["PublishInteractions"](there)
    ),
    "SearchInteractions": lambda there: interactions.SearchInteractionsRequest(user_id=there.user_id, query="hello"),
    "ListInteractions": lambda there: interactions.ListInteractionsRequest(user_id=there.user_id),
    "ListAllInteractions": lambda there: interactions.ListAllInteractionsRequest(page_size=1),
    "DeleteInteraction": lambda there: interactions.DeleteInteractionRequest(
        user_id=there.user_id, interaction_id=there.interaction_ids[0]
    ),
    "ListRequests": lambda there: requests.ListRequestsRequest(user_id=there.user_id),
    "DeleteRequest": lambda there: requests.DeleteRequestRequest(request_id=there.request_id),
    "BatchDeleteRequests": lambda there: requests.BatchDeleteRequestsRequest(request_ids=[there.request_id]),
    "DeleteSession": lambda there: requests.DeleteSessionRequest(session_id=there.session_id),
    "DeleteAllInteractions": lambda there: requests.DeleteAllInteractionsRequest(),
    "EraseUser": lambda there: data.EraseUserRequest(user_id=there.user_id),
    "ExportData": lambda there: data.ExportDataRequest(user_id=there.user_id),
    "ImportData": lambda there: data.ImportDataRequest(
        request=record(there.user_id, {"content": "fine", "tools_used": [{"tool_name": "search"}]})
    ),
    "GetRetention": lambda there: data.GetRetentionRequest(),
    # So long that nothing of any test is as old.
    "UpdateRetention": lambda there: data.UpdateRetentionRequest(max_age={"seconds": 3_000_000_000}),
    "WhoAmI": lambda there: server.WhoAmIRequest(),
    "GetServerInfo": lambda there: server.GetServerInfoRequest(),
    "StartReindex": lambda there: server.StartReindexRequest(),
    "CancelReindex": lambda there: server.CancelReindexRequest(),
    "Login": lambda there: access.LoginRequest(email=unused_email(), password="what they think"),
    "ChangePassword": lambda there: access.ChangePasswordRequest(
        email=unused_email(), current_password="what they think", new_password="what they will think"
    ),
    "CreateApiKey": lambda there: access.CreateApiKeyRequest(name="a key", account_email=unused_email()),
    "ListApiKeys": lambda there: access.ListApiKeysRequest(),
    "RevokeApiKey": lambda there: access.RevokeApiKeyRequest(api_key_id=2**62),
    "CreateAccount": lambda there: access.CreateAccountRequest(email=unused_email(), password="what they think"),
    "ListAccounts": lambda there: access.ListAccountsRequest(),
    "UpdateAccount": lambda there: access.UpdateAccountRequest(email=unused_email()),
    "CreateOrganization": lambda there: access.CreateOrganizationRequest(
        name=unused_name("organisation"), admin_email=unused_email(), admin_password="what they think"
    ),
    "ListOrganizations": lambda there: access.ListOrganizationsRequest(),
    "CreateCertificateIdentity": lambda there: access.CreateCertificateIdentityRequest(
        uri=f"spiffe://example.com/{unused_name('program')}", organization_name="default"
    ),
    "ListCertificateIdentities": lambda there: access.ListCertificateIdentitiesRequest(),
    "DeleteCertificateIdentity": lambda there: access.DeleteCertificateIdentityRequest(uri="spiffe://example.com/x"),
    "ListAuditEvents": lambda there: access.ListAuditEventsRequest(),
}
"""A request of each method that would be carried out, if there were what it names."""

NOT_THERE = {
    "ChangePassword": "LOGIN_REFUSED",
    "CreateApiKey": "NOT_FOUND",
    "RevokeApiKey": "NOT_FOUND",
    "UpdateAccount": "NOT_FOUND",
    "DeleteCertificateIdentity": "NOT_FOUND",
}
"""Of those that name what is not there: with which reason they are refused."""


def changed(good: Message, fields: dict[str, Any]) -> Message:
    """A copy of a message with other values for some fields."""
    values = {field.name: value for field, value in good.ListFields()}
    return type(good)(**{**values, **fields})
